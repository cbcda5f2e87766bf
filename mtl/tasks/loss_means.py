"""Losses of an epoch from their sums, as every family reports them."""

from __future__ import annotations

from collections.abc import Mapping

from mtl.tasks.task import Metrics


def loss_means(sums: Mapping[str, float], weights: Mapping[str, float]) -> Metrics:
    """`loss/total` and the mean of each loss that was measured, in the order of the weights.

    Args:
        sums: `loss/<name>`, each loss times its weight in the mean, and `weight/<name>`, the
            weights' sum; 0 or absent where a loss was not measured.
        weights: of each loss in the total, by its name.
    """
    means: Metrics = {}
    total = 0.0
    for name, weight in weights.items():
        if sums.get(f"weight/{name}"):
            means[f"loss/{name}"] = sums[f"loss/{name}"] / sums[f"weight/{name}"]
            total += weight * means[f"loss/{name}"]
    return {"loss/total": total, **means}
