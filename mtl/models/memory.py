"""What a tracker remembers: keys and values of earlier frames, as explicit state.

An entry is a key (B, N, Ck) and a value (B, N, Cv), one row per cell of the search grid. Reading
weighs every cell of every entry, so entries may lie in any order; `entries` gives them in the order
of writing. B sequences in step with each other share one memory; others have one each, which
`BatchMemory` takes together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

AnyMemory = TypeVar("AnyMemory", bound="Memory")
AnyOnlineMemory = TypeVar("AnyOnlineMemory", bound="OnlineMemory")
MakeEntry = Callable[[slice], tuple[Tensor, Tensor]]
"""Computes key and value of some sequences of the batch when (and where) they are needed."""

ALL = slice(None)
"""Every sequence of the batch."""

OUT_OF_REACH = 1e30
"""Squared norm of a key that no query is near: its weight is exactly 0 in float32."""


class Readable(Protocol):
    """One entry at least, for queries to be held against."""

    def read(self, query: Tensor) -> Tensor:
        """What is remembered near the queries (B, Q, Ck): (B, Q, Cv) float32, see `attend`."""


class Memory(Readable, Protocol):
    """State that grows by `append`, which returns the new state."""

    def __len__(self) -> int:
        """Number of entries."""

    def append(self: AnyMemory, key: Tensor, value: Tensor) -> AnyMemory:
        """This memory and one more entry: key (B, N, Ck), value (B, N, Cv)."""

    def entries(self) -> tuple[Tensor, Tensor]:
        """Keys (B, M, N, Ck) and values (B, M, N, Cv) in the order of writing, M >= 1."""


class OnlineMemory(Protocol):
    """State while tracking.

    A condition is a bool, or a tensor (1,) or with one for each sequence of the batch.
    """

    def unless(self, condition: bool | Tensor, entry: MakeEntry) -> Readable:
        """What is to be read: this memory, or this entry alone where the condition holds."""

    def append_if(
        self: AnyOnlineMemory, condition: bool | Tensor, entry: MakeEntry
    ) -> AnyOnlineMemory:
        """This memory, and one more entry where the condition holds."""


@dataclass(frozen=True)
class ClipMemory:
    """Memory of a training clip: unbounded, and every entry stays in the graph."""

    keys: tuple[Tensor, ...] = ()
    values: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def append(self, key: Tensor, value: Tensor) -> ClipMemory:
        """This memory and one more entry."""
        return ClipMemory((*self.keys, key), (*self.values, value))

    def rows(self) -> tuple[Tensor, Tensor]:
        """Keys (B, M N, Ck) and values (B, M N, Cv) of M entries, M >= 1."""
        if len(self.keys) == 1:
            return self.keys[0], self.values[0]
        return torch.cat(self.keys, dim=1), torch.cat(self.values, dim=1)

    def read(self, query: Tensor) -> Tensor:
        """See `Readable.read`."""
        return attend(*self.rows(), query)

    def entries(self) -> tuple[Tensor, Tensor]:
        """See `Memory.entries`."""
        return torch.stack(self.keys, dim=1), torch.stack(self.values, dim=1)


@dataclass
class _Slots:
    """Storage that the successive states of one ring share."""

    keys: Tensor
    values: Tensor
    written: int = 0


@dataclass(frozen=True)
class RingMemory:
    """Memory while tracking: the newest `capacity` entries, in storage that is allocated once.

    States share that storage, so only the newest one may be used: an older one raises.
    """

    capacity: int
    written: int = 0
    _slots: _Slots | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return min(self.written, self.capacity)

    @torch.no_grad()
    def append(self, key: Tensor, value: Tensor) -> RingMemory:
        """This memory and one more entry, in the place of the oldest when full."""
        slots = self._slots
        if slots is None:
            slots = _Slots(
                key.new_empty(key.shape[0], self.capacity, *key.shape[1:]),
                value.new_empty(value.shape[0], self.capacity, *value.shape[1:]),
            )
        self._check_newest(slots)
        place = self.written % self.capacity
        slots.keys[:, place] = key
        slots.values[:, place] = value
        slots.written += 1
        return RingMemory(self.capacity, slots.written, slots)

    def rows(self) -> tuple[Tensor, Tensor]:
        """As of a `ClipMemory`, in any order; views of the storage for a batch of one."""
        slots = self._filled()
        return slots.keys[:, : len(self)].flatten(1, 2), slots.values[:, : len(self)].flatten(1, 2)

    def read(self, query: Tensor) -> Tensor:
        """See `Readable.read`."""
        return attend(*self.rows(), query)

    def unless(self, condition: bool | Tensor, entry: MakeEntry) -> Readable:
        """See `OnlineMemory.unless`."""
        return ClipMemory().append(*entry(ALL)) if condition else self

    def append_if(self, condition: bool | Tensor, entry: MakeEntry) -> RingMemory:
        """See `OnlineMemory.append_if`."""
        return self.append(*entry(ALL)) if condition else self

    def entries(self) -> tuple[Tensor, Tensor]:
        """See `Memory.entries`; copies."""
        slots = self._filled()
        first = self.written % self.capacity if self.written > self.capacity else 0
        order = [(first + number) % self.capacity for number in range(len(self))]
        return slots.keys[:, order], slots.values[:, order]

    def _filled(self) -> _Slots:
        if self._slots is None:
            raise ValueError("this memory is empty; append an entry before reading it.")
        self._check_newest(self._slots)
        return self._slots

    def _check_newest(self, slots: _Slots) -> None:
        if slots.written != self.written:
            raise ValueError(
                f"this memory of {self.written} writes was followed by {slots.written}; use the "
                "state that append returned."
            )


def attend(keys: Tensor, values: Tensor, query: Tensor, present: Tensor | None = None) -> Tensor:
    """Weigh remembered values by how near their keys are to the queries (HIPTrack spec 4.3).

    affinity = (2 k . q - |k|^2) / sqrt(Ck), softmax over all cells of all entries. Both terms are
    one dot product of widened vectors, (2 q, 1) . (k, -|k|^2), so that fused attention can do it.
    It runs in float32: the squared norm would lose its digits in half precision.

    Args:
        keys: (B, M N, Ck) of M >= 1 entries.
        values: (B, M N, Cv).
        query: (B, Q, Ck).
        present: (M N,) bool, false in rows that hold no entry; none: all do.

    Returns:
        (B, Q, Cv) float32.
    """
    with torch.autocast(query.device.type, enabled=False):
        keys, values, query = keys.float(), values.float(), query.float()
        width = query.shape[-1]
        norms = keys.square().sum(dim=-1, keepdim=True)
        if present is not None:
            norms = norms.masked_fill(~present[:, None], OUT_OF_REACH)
        # Eight more channels, of which one is used: GPU kernels want multiples of four or eight.
        wide_keys = torch.cat([keys, F.pad(-norms, (0, 7))], dim=-1)
        wide_query = torch.cat([2.0 * query, F.pad(torch.ones_like(query[..., :1]), (0, 7))], -1)
        return F.scaled_dot_product_attention(
            wide_query[:, None], wide_keys[:, None], values[:, None], scale=width**-0.5
        ).squeeze(1)
