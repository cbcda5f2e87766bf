"""The few collective operations of the loop; each does nothing in a single process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


def world() -> tuple[int, int]:
    """Rank of this process and number of processes."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def wrap(model: nn.Module, device: torch.device) -> nn.Module:
    """DDP around the model where there are several processes.

    Made anew for each stage: DDP remembers which parameters learn, and a stage changes that.
    """
    if world()[1] == 1:
        return model
    devices = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=devices, gradient_as_bucket_view=True)


@contextmanager
def sync_gradients(model: nn.Module, when: bool) -> Iterator[None]:
    """Exchange gradients in this backward pass only `when` asked: once per optimiser step."""
    if isinstance(model, DistributedDataParallel) and not when:
        with model.no_sync():
            yield
    else:
        yield


def sum_over_ranks(statistics: dict[str, Tensor]) -> dict[str, Tensor]:
    """Sums over all ranks, key by key; every rank must hold the same keys."""
    if world()[1] > 1:
        for name in sorted(statistics):
            dist.all_reduce(statistics[name])
    return statistics


def on_any_rank(flags: Sequence[bool], device: torch.device) -> list[bool]:
    """Whether each flag is set on some rank; every rank gets the same answers."""
    if world()[1] == 1:
        return list(flags)
    told = torch.tensor(flags, dtype=torch.float32, device=device)
    dist.all_reduce(told, op=dist.ReduceOp.MAX)
    return [bool(flag) for flag in told.tolist()]


def share_buffers(model: nn.Module) -> None:
    """Give every rank the normalisation statistics of rank 0, so that all validate one model."""
    if world()[1] > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


def gather_objects(value: T) -> list[T]:
    """The values of all ranks, in order of rank, on every rank."""
    size = world()[1]
    if size == 1:
        return [value]
    values: list[Any] = [None] * size
    dist.all_gather_object(values, value)
    return values
