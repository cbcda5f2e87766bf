"""Sums over an epoch, from which its metrics follow."""

from __future__ import annotations

from torch import Tensor

from mtl.training.distributed import sum_over_ranks


class Meter:
    """Sums statistics over an epoch: on this rank batch by batch, over ranks when flushed."""

    def __init__(self, totals: dict[str, Tensor]) -> None:
        self._totals = {name: tensor.clone() for name, tensor in totals.items()}
        self._since: dict[str, Tensor] = {}

    def add(self, statistics: dict[str, Tensor]) -> None:
        """Add one batch's sums."""
        for name, value in statistics.items():
            self._since[name] = self._since[name] + value if name in self._since else value

    def flush(self) -> dict[str, Tensor]:
        """Totals over the epoch so far and all ranks; every rank must call it."""
        for name, value in sum_over_ranks(self._since).items():
            value = value.cpu()
            self._totals[name] = self._totals[name] + value if name in self._totals else value
        self._since = {}
        return dict(self._totals)
