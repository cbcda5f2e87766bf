"""What is measured of a condition head, by what it answers: sums of a batch, metrics of sums."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from mtl.conditions import ATTRIBUTE_NAMES, CONDITIONS, IGNORE
from mtl.config.modes import Answers
from mtl.evaluation.attributes import attribute_metrics
from mtl.evaluation.confusion import condition_metrics
from mtl.tasks.task import Batch, Metrics


class ConditionScores(Protocol):
    """Sums of one batch, and the metrics they become once they are added up."""

    def statistics(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Float64 sums by name from logits (B, T, 10)."""

    def metrics(self, statistics: dict[str, Tensor]) -> Metrics:
        """Metrics by their public names; nothing where nothing was labelled."""


class ClassScores:
    """Of ten classes: the confusion matrix against hard labels, whatever the head learned from."""

    def statistics(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """`confusion` (10, 10): true, predicted."""
        labels, size = batch["conditions"], len(CONDITIONS)
        known = labels != IGNORE
        pairs = labels[known] * size + logits[known].argmax(dim=-1)
        return {"confusion": torch.bincount(pairs, minlength=size**2).view(size, size).double()}

    def metrics(self, statistics: dict[str, Tensor]) -> Metrics:
        """`confusion`, and what `condition_metrics` makes of it."""
        confusion = statistics["confusion"].to(torch.int64).numpy()
        if not confusion.any():
            return {}
        return {**condition_metrics(confusion, CONDITIONS), "confusion": confusion.tolist()}


class AttributeScores:
    """Of nine attributes and severity."""

    def statistics(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """`attributes` (9, 4): counts of outcomes; `severity` (2,): error and frames."""
        attributes, severity = logits.double().split([len(ATTRIBUTE_NAMES), 1], dim=-1)
        said = attributes >= 0  # a probability of 0.5
        true = batch["attributes"] >= 0.5
        known = batch["attribute_mask"] > 0
        outcomes = (said & true, said & ~true, ~said & true, ~said & ~true)
        rated = batch["severity_mask"].double()
        error = (severity.squeeze(-1).sigmoid() - batch["severity"]).abs() * rated
        return {
            "attributes": torch.stack(
                [(outcome & known).flatten(0, -2).sum(dim=0).double() for outcome in outcomes],
                dim=-1,
            ),
            "severity": torch.stack([error.sum(), rated.sum()]),
        }

    def metrics(self, statistics: dict[str, Tensor]) -> Metrics:
        """`attribute_*` (see `attribute_metrics`), and `severity_mae` where severity is known."""
        metrics: Metrics = {}
        metrics |= attribute_metrics(statistics["attributes"].to(torch.int64).numpy())
        error, frames = statistics["severity"].tolist()
        if frames:
            metrics["severity_mae"] = error / frames
        return metrics


SCORES: dict[Answers, type[ConditionScores]] = {
    "classes": ClassScores,
    "attributes": AttributeScores,
}
