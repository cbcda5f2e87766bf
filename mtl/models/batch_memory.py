"""Memories of sequences that are tracked together and are not in step with each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mtl.models.memory import MakeEntry, Readable


class BatchMemory(NamedTuple):
    """B memories that are read and written as one; each grows at its own frames.

    Every sequence reads its own entries where they lie: nothing is copied together or padded, so
    it remembers exactly what it would remember alone.
    """

    sequences: tuple[Any, ...]
    """Memory of each: an `OnlineMemory`, or whatever a model without one has in its place."""

    def unless(self, condition: bool | Tensor, entry: MakeEntry) -> _Batch:
        """See `OnlineMemory.unless`; the condition has one truth or B."""
        each = self._each(condition, entry)
        return _Batch(tuple(memory.unless(alone, own) for memory, alone, own in each))

    def append_if(self, condition: bool | Tensor, entry: MakeEntry) -> BatchMemory:
        """See `OnlineMemory.append_if`; the condition has one truth or B."""
        each = self._each(condition, entry)
        return BatchMemory(tuple(memory.append_if(due, own) for memory, due, own in each))

    def _each(
        self, condition: bool | Tensor, entry: MakeEntry
    ) -> Iterator[tuple[Any, bool, MakeEntry]]:
        truths = torch.as_tensor(condition).expand(len(self.sequences)).tolist()
        for number, (memory, truth) in enumerate(zip(self.sequences, truths, strict=True)):
            yield memory, truth, _of_sequence(entry, number)


class _Batch(NamedTuple):
    """What each sequence reads."""

    sequences: tuple[Readable, ...]

    def read(self, query: Tensor) -> Tensor:
        """See `Readable.read`."""
        queries = query.split(1)
        return torch.cat([one.read(own) for one, own in zip(self.sequences, queries, strict=True)])


def _of_sequence(entry: MakeEntry, number: int) -> MakeEntry:
    """For a memory to which this sequence is all there is."""
    return lambda _: entry(slice(number, number + 1))
