"""Outputs of a condition head are known by name; here a head's rows are put into our order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mtl.conditions import ATTRIBUTE_NAMES, CLASS_ORDERS, OUTPUT_NAMES
from mtl.errors import CheckpointError

ORDERS: dict[str, tuple[str, ...]] = {**CLASS_ORDERS, "v2": (*ATTRIBUTE_NAMES, "normal")}
"""The four numberings in use (annotation formats, section 3)."""

HEAD = "condition_head."
OUTPUT_DIMENSIONS = {"fc2.weight": 0, "fc2.bias": 0, "film.fc1.weight": 1}
"""Entries of a condition head with one row (or column) for each output, and along which axis."""


def canonical_head(
    weights: Mapping[str, Tensor], names: Sequence[str], origin: str, advice: str
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Weights whose condition head, if they have one, answers in our order.

    Args:
        weights: of a model.
        names: what the head's outputs are called, in the order in which it has them.
        origin: the file, for messages.
        advice: what to do where the head cannot be converted, for messages.

    Returns:
        The weights, and the names in the order in which they stand now.

    Raises:
        CheckpointError: the names are not those of any head of ours.
    """
    weights = dict(weights)
    if f"{HEAD}fc2.weight" not in weights:
        return weights, tuple(names)
    ours = next((o for o in OUTPUT_NAMES.values() if sorted(o) == sorted(names)), None)
    if ours is None:
        raise CheckpointError(_other_classes(names, origin, advice))
    rows = torch.tensor([names.index(name) for name in ours])
    for entry, dimension in OUTPUT_DIMENSIONS.items():
        tensor = weights.get(HEAD + entry)
        if tensor is None:
            continue
        if tensor.shape[dimension] != len(ours):
            raise CheckpointError(
                f"{origin} has a condition head with {tensor.shape[dimension]} outputs in "
                f"'{HEAD}{entry}' but {len(ours)} names for them."
            )
        weights[HEAD + entry] = tensor.index_select(dimension, rows)
    return weights, ours


def _other_classes(names: Sequence[str], origin: str, advice: str) -> str:
    ours = OUTPUT_NAMES["attributes" if "severity" in names else "classes"]
    more = ", ".join(sorted(set(names) - set(ours))) or "one of ours twice"
    less = ", ".join(sorted(set(ours) - set(names))) or "none"
    return (
        f"{origin} has a condition head that cannot be converted: among its outputs are {more}, "
        f"and of ours it lacks {less}; {advice}."
    )
