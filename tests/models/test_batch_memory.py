from __future__ import annotations

import pytest
import torch

from mtl.models.batch_memory import BatchMemory
from mtl.models.memory import RingMemory
from tests.models.test_memory import entry, numbers


def of_batch(*written: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The entry of a batch whose sequences write these numbers."""
    keys, values = zip(*(entry(number) for number in written), strict=True)
    return torch.cat(keys), torch.cat(values)


def append(memory: BatchMemory, due: list[bool], *written: int) -> BatchMemory:
    key, value = of_batch(*written)
    return memory.append_if(torch.tensor(due), lambda rows: (key[rows], value[rows]))


def test_each_sequence_remembers_its_own_frames() -> None:
    memory = BatchMemory((RingMemory(2), RingMemory(2), RingMemory(2)))
    memory = append(memory, [True, False, True], 1, 2, 3)
    memory = append(memory, [False, True, True], 4, 5, 6)
    memory = append(memory, [False, False, True], 7, 8, 9)
    assert [numbers(one) for one in memory.sequences] == [[1], [5], [6, 9]]


def test_each_sequence_reads_its_own_entries_or_the_other_one() -> None:
    memory = BatchMemory((RingMemory(3), RingMemory(3)))
    memory = append(memory, [True, True], 1, 2)
    memory = append(memory, [True, False], 3, 4)
    key, value = of_batch(5, 6)
    query = torch.randn(2, 6, 8)
    read = memory.unless(torch.tensor([False, True]), lambda rows: (key[rows], value[rows]))
    found = read.read(query)
    torch.testing.assert_close(found[:1], memory.sequences[0].read(query[:1]))
    torch.testing.assert_close(found[1], torch.full((6, 5), 6.0))


def test_an_entry_is_computed_only_for_those_who_want_it() -> None:
    asked = []

    def made(rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(rows)
        return entry(1)

    memory = BatchMemory((RingMemory(2), RingMemory(2), RingMemory(2)))
    memory.append_if(torch.tensor([False, True, False]), made)
    assert asked == [slice(1, 2)]
    memory.append_if(False, made)
    assert len(asked) == 1


@pytest.mark.parametrize("condition", [True, torch.tensor([True]), torch.tensor([True, True])])
def test_sequences_in_step_may_share_a_condition(condition: bool | torch.Tensor) -> None:
    memory = BatchMemory((RingMemory(2), RingMemory(2)))
    key, value = of_batch(1, 2)
    memory = memory.append_if(condition, lambda rows: (key[rows], value[rows]))
    assert [numbers(one) for one in memory.sequences] == [[1], [2]]
