"""What is measured of the unified model: boxes, masks and classes of held-out images."""
