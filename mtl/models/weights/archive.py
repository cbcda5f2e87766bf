"""The zip archives of torch: `torch.save` since 1.6, and TorchScript."""

from __future__ import annotations

import io
import zipfile
from typing import Any, BinaryIO

from mtl.models.weights.pickles import read_pickle
from mtl.models.weights.stored import Storage, storage_dtype, tensor_makers


def read_archive(file: BinaryIO) -> Any:
    """The value of an archive; tensors in it are `Entry`s, readable as long as the file is open.

    Raises:
        ValueError: the archive is damaged, cut off, or not one of torch's.
    """
    try:
        archive = zipfile.ZipFile(file)
        roots = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise ValueError("it is a zip archive, but none that torch wrote")
        root = roots[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist():
            order = _member(archive, f"{root}byteorder")
            if order != b"little":
                raise ValueError(f"its numbers are stored in {order.decode('latin-1')} byte order")
        pickle = _member(archive, roots[0])
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ValueError(f"it is a cut off or damaged zip archive ({error})") from None
    return read_pickle(io.BytesIO(pickle), tensor_makers(), _Storages(archive, f"{root}data/"))


class _Storages:
    """Persistent ids of an archive: ("storage", class, key, device, number of elements)."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        self.archive = archive
        self.folder = folder
        self.sizes = {info.filename: info.file_size for info in archive.infolist()}

    def __call__(self, number: Any) -> Storage:
        _, kind, key, *_ = number
        if not isinstance(key, str):
            raise ValueError("it has a tensor whose numbers have no name")
        name = f"{self.folder}{key}"
        if name not in self.sizes:
            raise ValueError(f"its member {name} is missing")
        return Storage(storage_dtype(kind), self.sizes[name], lambda: self._read(name))

    def _read(self, name: str) -> bytes:
        try:
            return _member(self.archive, name)
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise ValueError(f"it is damaged at {name} ({error})") from None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Torch stores members uncompressed; a compressed one may unpack to any size."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"its member {name} is compressed, which torch never does")
    return archive.read(name)
