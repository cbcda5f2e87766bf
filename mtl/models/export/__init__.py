"""Trackers as programs: pure functions of tensors that run without this project."""
