"""The unified model's data: three sets of images, one index, joint samples."""
