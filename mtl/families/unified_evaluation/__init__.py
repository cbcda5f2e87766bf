"""Evaluation of finished unified models: who, on what, the answers kept on the way, and numbers."""
