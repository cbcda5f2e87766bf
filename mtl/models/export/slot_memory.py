"""What a tracker remembers as three tensors, without control flow, for exported programs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mtl.models.memory import ALL, MakeEntry, attend


class SlotMemory(NamedTuple):
    """The newest entries of a sequence in a fixed number of slots, as a value.

    Reads and writes as `RingMemory` does, but what happens is selected, not branched to: every
    entry that might be needed is computed. A read before anything was written sees the entry that
    stands in for the memory.
    """

    keys: Tensor
    """(B, M, N, Ck)."""
    values: Tensor
    """(B, M, N, Cv)."""
    written: Tensor
    """(1,) int64, entries ever written; the next goes to slot `written` mod M."""

    def unless(self, condition: bool | Tensor, entry: MakeEntry) -> _Readable:
        """See `OnlineMemory.unless`."""
        key, value = entry(ALL)
        alone = condition | (self.written == 0)
        filled = self._slots() < self.written
        present = torch.cat([alone, filled & ~alone]).repeat_interleave(key.shape[1])
        return _Readable(
            torch.cat([key[:, None], self.keys], dim=1).flatten(1, 2),
            torch.cat([value[:, None], self.values], dim=1).flatten(1, 2),
            present,
        )

    def append_if(self, condition: bool | Tensor, entry: MakeEntry) -> SlotMemory:
        """See `OnlineMemory.append_if`."""
        key, value = entry(ALL)
        place = self._slots() == self.written % self.keys.shape[1]
        here = (place & condition)[:, None, None]
        return SlotMemory(
            torch.where(here, key[:, None], self.keys),
            torch.where(here, value[:, None], self.values),
            self.written + condition,
        )

    def _slots(self) -> Tensor:
        return torch.arange(self.keys.shape[1], device=self.keys.device)


class _Readable(NamedTuple):
    """Rows of which some are hidden."""

    keys: Tensor
    values: Tensor
    present: Tensor

    def read(self, query: Tensor) -> Tensor:
        """See `Readable.read`."""
        return attend(self.keys, self.values, query, self.present)
