"""The unified one-head model: one network and one pass for boxes, pixels and image classes."""

from mtl.models.unified.output import UnifiedOutput
from mtl.models.unified.unified import Unified

__all__ = ["Unified", "UnifiedOutput"]
