"""Tracking on video: frames in, boxes, a captioned video and result files out."""
