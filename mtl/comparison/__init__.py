"""What conditions cost a tracker: the same model with and without them, measured side by side."""
