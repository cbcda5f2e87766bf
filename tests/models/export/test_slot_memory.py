from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mtl.models.export.slot_memory import SlotMemory
from mtl.models.memory import OnlineMemory, RingMemory

CELLS, KEY, VALUE = 4, 8, 5


def entry(number: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(number)
    return (
        torch.randn(1, CELLS, KEY, generator=generator),
        torch.randn(1, CELLS, VALUE, generator=generator),
    )


def empty(capacity: int) -> SlotMemory:
    return SlotMemory(
        torch.zeros(1, capacity, CELLS, KEY),
        torch.zeros(1, capacity, CELLS, VALUE),
        torch.zeros(1, dtype=torch.int64),
    )


def seen(memory: OnlineMemory, alone: bool | Tensor) -> Tensor:
    return memory.unless(alone, lambda _: entry(99)).read(torch.randn(1, 6, KEY))


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_reads_what_a_ring_reads(count: int, alone: bool) -> None:
    slots, ring = empty(3), RingMemory(3)
    for number in range(count):
        due = torch.tensor([number % 3 != 1])
        slots = slots.append_if(due, lambda _, n=number: entry(n))  # type: ignore[misc]
        ring = ring.append_if(due, lambda _, n=number: entry(n))  # type: ignore[misc]
    torch.manual_seed(0)
    found = seen(slots, torch.tensor([alone]))
    torch.manual_seed(0)
    torch.testing.assert_close(found, seen(ring, alone), rtol=1e-6, atol=1e-6)
    assert slots.written.tolist() == [ring.written]


def test_empty_slots_have_no_weight_whatever_they_hold() -> None:
    memory = empty(3).append_if(torch.tensor([True]), lambda _: entry(1))
    noisy = memory._replace(
        keys=memory.keys + 100 * (memory.keys == 0),
        values=memory.values + 1.0 * (memory.values == 0),
    )
    torch.manual_seed(0)
    first = seen(memory, torch.tensor([False]))
    torch.manual_seed(0)
    assert torch.equal(first, seen(noisy, torch.tensor([False])))


def test_before_the_first_entry_the_other_one_is_read() -> None:
    torch.manual_seed(0)
    found = seen(empty(2), torch.tensor([False]))
    torch.manual_seed(0)
    torch.testing.assert_close(found, seen(empty(2), torch.tensor([True])))


def test_is_a_value() -> None:
    before = empty(2)
    before.append_if(torch.tensor([True]), lambda _: entry(1))
    assert not before.keys.any()
    assert before.written.tolist() == [0]
