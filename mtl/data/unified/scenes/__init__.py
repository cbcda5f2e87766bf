"""Rendered maritime scenes with boxes, masks and a class, for a run that has no data of its own."""

from mtl.data.unified.scenes.writer import embedded_scenes

__all__ = ["embedded_scenes"]
