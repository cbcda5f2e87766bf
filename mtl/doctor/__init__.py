"""What a machine must have before work on it starts, each a check with a sentence of its own."""
