"""Weights from elsewhere: published files to model files, and model files to a model's start."""

from mtl.models.weights.importer import Imported, Wishes, import_files, save_import
from mtl.models.weights.start import check_start, start_from

__all__ = ["Imported", "Wishes", "check_start", "import_files", "save_import", "start_from"]
