from __future__ import annotations

import math

import pytest
import torch

from mtl.models.memory import ClipMemory, Memory, RingMemory


def entry(number: int, cells: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(number)
    key = torch.randn(1, cells, 8, generator=generator)
    return key, torch.full((1, cells, 5), float(number))


def numbers(memory: Memory) -> list[int]:
    return memory.entries()[1][0, :, 0, 0].int().tolist()


def test_a_ring_keeps_the_newest_entries_in_order() -> None:
    memory = RingMemory(3)
    for number in range(1, 8):
        memory = memory.append(*entry(number))
        assert numbers(memory) == list(range(max(1, number - 2), number + 1))
    assert (len(memory), memory.written) == (3, 7)


def test_a_ring_never_moves_its_storage() -> None:
    memory = RingMemory(3).append(*entry(1))
    place = memory.rows()[0].untyped_storage().data_ptr()
    for number in range(2, 9):
        memory = memory.append(*entry(number))
        assert memory.rows()[0].untyped_storage().data_ptr() == place


@pytest.mark.parametrize("count", [1, 3, 5])
def test_ring_and_clip_memory_read_alike(count: int) -> None:
    clip, ring = ClipMemory(), RingMemory(3)
    for number in range(count):
        ring = ring.append(*entry(number))
        if number >= count - 3:
            clip = clip.append(*entry(number))
    query = torch.randn(1, 6, 8)
    torch.testing.assert_close(clip.read(query), ring.read(query))


def test_an_older_state_of_a_ring_raises() -> None:
    old = RingMemory(3).append(*entry(1))
    old.append(*entry(2))
    with pytest.raises(ValueError, match="use the state that append returned"):
        old.rows()
    with pytest.raises(ValueError, match="use the state that append returned"):
        old.append(*entry(3))


def test_an_empty_ring_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="empty"):
        RingMemory(3).rows()


def test_a_clip_memory_is_a_value_and_stays_in_the_graph() -> None:
    key, value = (tensor.requires_grad_() for tensor in entry(1))
    one = ClipMemory().append(key, value)
    two = one.append(*entry(2))
    assert (len(one), len(two)) == (1, 2)
    two.read(torch.randn(1, 6, 8)).square().sum().backward()
    assert key.grad is not None
    assert value.grad is not None


def test_reading_is_the_published_formula() -> None:
    memory = ClipMemory().append(*entry(1)).append(*entry(2))
    query = torch.randn(1, 6, 8)
    keys, values = memory.rows()
    affinity = 2 * query @ keys.transpose(1, 2) - keys.square().sum(dim=-1)[:, None]
    wanted = (affinity / math.sqrt(8)).softmax(dim=-1) @ values
    torch.testing.assert_close(memory.read(query), wanted)


def test_a_read_takes_the_nearest_entry() -> None:
    key, value = entry(1)
    memory = ClipMemory().append(100 * key, value).append(*entry(2))
    torch.testing.assert_close(memory.read(100 * key), value)
