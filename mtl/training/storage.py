"""The file system on which run folders lie."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.fs

from mtl.errors import ConfigError


def open_storage(storage: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """The file system of a storage and its path there, without a slash at the end.

    Args:
        storage: local path, or a URI of a scheme that pyarrow knows.

    Raises:
        ConfigError: the URI is of no such scheme or names no bucket.
    """
    if "://" not in storage:
        local = str(Path(storage).expanduser().absolute())
        return pyarrow.fs.LocalFileSystem(), local.rstrip("/")
    try:
        filesystem, base = pyarrow.fs.FileSystem.from_uri(storage)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise ConfigError(
            f"storage={storage} cannot be opened ({' '.join(str(error).split())}); give a folder "
            "that all nodes reach, or a s3:// or gs:// URI."
        ) from None
    return filesystem, base.rstrip("/")
