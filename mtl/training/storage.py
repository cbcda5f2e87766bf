"""The file system on which run folders lie."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.fs

from mtl.errors import ConfigError
from mtl.files import write_atomically


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


def put(filesystem: pyarrow.fs.FileSystem, path: str, content: bytes) -> None:
    """Replace a file, whole or not at all; its folder is made if need be."""
    if isinstance(filesystem, pyarrow.fs.LocalFileSystem):
        write_atomically(Path(path), content)
        return
    filesystem.create_dir(path.rsplit("/", 1)[0], recursive=True)
    with filesystem.open_output_stream(path) as stream:  # an object store replaces whole
        stream.write(content)
