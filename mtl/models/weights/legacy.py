"""The files of `torch.save` before 1.6: pickles one after the other, then the numbers.

magic number, protocol version, system, the value, keys of the storages; then for each key a 64-bit
number of elements and the elements.
"""

from __future__ import annotations

import functools
import mmap
from typing import Any, BinaryIO

import torch

from mtl.models.weights.pickles import read_pickle
from mtl.models.weights.stored import Storage, storage_dtype, tensor_makers

MAGIC = 0x1950A86A20F9469CFC6C


def read_legacy(file: BinaryIO) -> Any:
    """The value of a file; tensors in it are `Entry`s, readable as long as the file is open.

    Raises:
        ValueError: the file is damaged, cut off, or another kind of pickle.
    """
    # A map, unlike a file, does not make room for as many bytes as a damaged length asks for.
    stream = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    storages = _Storages(stream)
    if read_pickle(stream, {}, _nothing_persistent) != MAGIC:
        raise ValueError("it is a pickle, but none that torch wrote")
    for _ in range(2):  # protocol version; byte order, always little in practice
        read_pickle(stream, {}, _nothing_persistent)
    value = read_pickle(stream, tensor_makers(), storages)
    storages.locate(read_pickle(stream, {}, _nothing_persistent))
    return value


class _Storages:
    """Persistent ids: ("storage", class, key, device, number of elements, view) or ("module", ...).

    Where the numbers lie is known only after the last pickle has been read.
    """

    def __init__(self, file: mmap.mmap) -> None:
        self.file = file
        self.found: dict[str, tuple[torch.dtype, int]] = {}
        self.places: dict[str, int] = {}

    def __call__(self, number: Any) -> Any:
        if number[0] == "module":
            return number[1]
        _, kind, key, _, count, view = number
        dtype = storage_dtype(kind)
        if type(count) is not int or count < 0 or type(key) is not str:
            raise ValueError(f"it has a storage of {count} numbers")
        if self.found.setdefault(key, (dtype, count)) != (dtype, count):
            raise ValueError("it has a storage of two sizes or kinds")
        first, length = 0, count
        if view is not None:
            _, first, length = view
            if (
                type(first) is not int
                or type(length) is not int
                or not (0 <= first <= first + length <= count)
            ):
                raise ValueError(f"it has a view of numbers {first} to {first + length} of {count}")
        read = functools.partial(self._read, key, first * dtype.itemsize, length * dtype.itemsize)
        return Storage(dtype, length * dtype.itemsize, read)

    def locate(self, keys: Any) -> None:
        """Find each storage in what follows, and that the file is long enough for all."""
        size = len(self.file)
        for key in keys:
            if key not in self.found:
                raise ValueError(f"it stores numbers under the unknown key {key!r}")
            dtype, count = self.found[key]
            stored = int.from_bytes(self.file.read(8), "little", signed=True)
            self.places[key] = self.file.tell()
            end = self.places[key] + count * dtype.itemsize
            if stored != count or end > size:
                raise ValueError(f"it is cut off or damaged: storage {key} should hold {count}")
            self.file.seek(end)
        if self.found.keys() - self.places.keys():
            raise ValueError("it is cut off: some of its tensors have no numbers")

    def _read(self, key: str, first: int, length: int) -> bytes:
        self.file.seek(self.places[key] + first)
        return self.file.read(length)


def _nothing_persistent(number: Any) -> Any:
    raise ValueError(f"it refers to {number!r} where torch never does")
