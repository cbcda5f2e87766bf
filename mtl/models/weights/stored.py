"""Tensors that lie in a file: their shapes at once, their numbers when asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mtl.models.weights.pickles import Global, Makers, plain_items

Shape = tuple[int, ...]

STORAGE_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
}
"""Element type of torch's storage classes, by their names in a pickle."""


DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in STORAGE_DTYPES.values()}
"""Element types by their names in a pickle."""
MAX_DIMENSIONS = 16
"""More than any weight has."""


class Entry(NamedTuple):
    """A named tensor of a file."""

    shape: Shape
    read: Callable[[], Tensor]
    """Its numbers in the file's element type; raises ValueError where the file is damaged."""


@dataclass(frozen=True)
class Storage:
    """A row of elements in a file, which tensors are views of."""

    dtype: torch.dtype
    num_bytes: int
    read: Callable[[], bytes]
    """All its bytes."""


def storage_dtype(kind: Any) -> torch.dtype:
    """Element type of a storage class as a pickle names it.

    Raises:
        ValueError: it is none of torch's, or holds numbers no weights are made of.
    """
    if isinstance(kind, Global) and kind.module in ("torch", "torch.cuda", "torch.storage"):
        dtype = STORAGE_DTYPES.get(kind.name)
        if dtype is not None:
            return dtype
    raise ValueError(f"it has a tensor of an unknown kind ({kind})")


def tensor_makers() -> Makers:
    """What may be made of the calls in a pickle that torch wrote."""
    return {
        Global("collections", "OrderedDict"): lambda items=(): plain_items(items),
        Global("collections", "defaultdict"): lambda *_: {},
        Global("torch", "Size"): tuple,
        Global("torch._utils", "_rebuild_tensor"): _tensor,
        Global("torch._utils", "_rebuild_tensor_v2"): _tensor,
        Global("torch._utils", "_rebuild_tensor_v3"): _tensor_of_dtype,
        Global("torch._utils", "_rebuild_parameter"): _parameter,
        Global("torch._utils", "_rebuild_parameter_with_state"): _parameter,
        Global("torch._tensor", "_rebuild_from_type_v2"): _tensor_with_attributes,
    }


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Entry:
    if not isinstance(storage, Storage):
        raise ValueError("it has a tensor without a storage")
    return _view(storage, storage.dtype, offset, size, stride)


def _tensor_of_dtype(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, kind: Any, *_: Any
) -> Entry:
    dtype = DTYPES.get(kind.name) if isinstance(kind, Global) else None
    if not isinstance(storage, Storage) or dtype is None:
        raise ValueError(f"it has a tensor of an unknown kind ({kind})")
    return _view(storage, dtype, offset, size, stride)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _tensor_with_attributes(maker: Any, _kind: Any, arguments: Any, _state: Any) -> Any:
    if not isinstance(maker, Global):
        raise ValueError("it has a tensor made by nothing")
    return tensor_makers()[maker](*arguments)


def _view(storage: Storage, dtype: torch.dtype, offset: Any, size: Any, stride: Any) -> Entry:
    """A tensor, once it is sure that all its elements lie inside the storage."""
    numbers = (offset, *size, *stride)
    if (
        any(type(n) is not int or n < 0 for n in numbers)
        or len(size) != len(stride)
        or len(size) > MAX_DIMENSIONS
    ):
        raise ValueError("it has a tensor whose size, stride or offset is no list of counts")
    count = math.prod(size)
    have = storage.num_bytes // dtype.itemsize
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if count and (last >= have or count > have):
        raise ValueError(
            f"it has a tensor of size {tuple(size)}, stride {tuple(stride)} and offset {offset} "
            f"over only {have} numbers"
        )

    def read() -> Tensor:
        if not count:
            return torch.empty(tuple(size), dtype=dtype)
        content = bytearray(storage.read())
        if len(content) < storage.num_bytes:
            raise ValueError("it ends in the middle of a tensor")
        flat = torch.frombuffer(content, dtype=dtype, count=have)
        return flat.as_strided(tuple(size), tuple(stride), offset).clone()

    return Entry(tuple(size), read)
