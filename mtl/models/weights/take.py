"""Carrying out a plan: what fits is read, what does not is refused in one sentence."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Sequence
from pathlib import Path

import torch
from torch import Tensor

from mtl.errors import CheckpointError
from mtl.models.class_order import HEAD
from mtl.models.weights.files import WeightsFile
from mtl.models.weights.plan import Move, Plan
from mtl.models.weights.report import Report
from mtl.models.weights.sizes import first_difference
from mtl.models.weights.target import Target
from mtl.models.weights.tracker_names import NO_USE

MAX_HINTS = 4
"""Patterns a message proposes."""


def take(
    file: WeightsFile, plan: Plan, target: Target, allowed: Sequence[str], report: Report
) -> dict[str, Tensor]:
    """Read what the plan says, by the model's names, and report it.

    Args:
        file: where from.
        plan: what is to become what.
        target: the model.
        allowed: patterns of entries that need not be filled.
        report: grows by every entry of the file.

    Raises:
        CheckpointError: the file is of another size, fills too little, or holds NaN.
        ValueError: the file is damaged.
    """
    shapes = {name: entry.shape for name, entry in file.entries.items()}
    _check_sizes(file.path, plan, target)
    moves = []
    for move in plan.moves:
        wanted = target.shapes.get(move.target)
        if wanted == move.shape:
            moves.append(move)
        elif wanted is None:
            report.ignored[move.source] = _no_place(move.target)
        elif move.target in target.unused:
            report.ignored[move.source] = f"{NO_USE}, and it is of another size"
        else:
            raise CheckpointError(
                f"{file.path} does not fit: '{move.source}' is {shapes[move.source]} there and "
                f"{wanted} in the model as '{move.target}', which no key of the config changes."
            )
    filled = {move.target for move in moves}
    _check_coverage(file.path, plan, filled, target, allowed)
    report.ignored.update(plan.ignored)
    report.missing.update((n, why) for n, why in plan.optional.items() if n not in filled)
    report.notes.extend(plan.notes)
    weights = {}
    for move in moves:
        weights[move.target] = _read(file, move, target.dtypes[move.target])
        if move.resized:
            old, new = shapes[move.source], move.shape
            report.resized.append((move.source, move.target, old, new))
        elif move.source == move.target:
            report.taken.append(move.source)
        else:
            report.renamed.append((move.source, move.target))
    return weights


def is_allowed(name: str, patterns: Sequence[str]) -> bool:
    """Whether a pattern means the entry."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _check_sizes(path: Path, plan: Plan, target: Target) -> None:
    moved = {move.target: move.shape for move in plan.moves}
    difference = first_difference(target.family, moved, target.shapes)
    if difference is None:
        return
    entry, key, value = difference
    there, here = moved.get(entry, "absent"), target.shapes.get(entry, "absent")
    raise CheckpointError(
        f"{path} is of another size: '{entry}' is {there} there and {here} in the model; set "
        f"{key}={value}."
    )


def _no_place(target: str) -> str:
    if target.startswith(HEAD):
        return "the model has no such condition head"
    return "the model has no such entry"


def _check_coverage(
    path: Path, plan: Plan, filled: Collection[str], target: Target, allowed: Sequence[str]
) -> None:
    """Refuse a file that leaves out what it should fill and nobody allowed."""
    scope = [name for name in target.shapes if plan.scope.match(name)]
    lacking = [
        name
        for name in scope
        if name not in filled and name not in plan.optional and not is_allowed(name, allowed)
    ]
    if lacking:
        hints = _patterns(lacking, filled)
        more = " ..." if len(hints) > MAX_HINTS else ""
        given = " ".join(f"--allow-missing '{hint}'" for hint in hints[:MAX_HINTS])
        raise CheckpointError(
            f"{path} fills too little: {len(lacking)} of {len(scope)} entries are missing, first "
            f"'{lacking[0]}'; give {given}{more} if these may start fresh."
        )


def _patterns(lacking: Sequence[str], filled: Collection[str]) -> list[str]:
    """The shortest patterns that mean the lacking entries and none of the filled ones."""
    patterns: dict[str, None] = {}
    for name in lacking:
        parts = name.split(".")
        prefixes = (".".join(parts[:depth]) + "." for depth in range(1, len(parts)))
        free = (p for p in prefixes if not any(other.startswith(p) for other in filled))
        prefix = next(free, None)
        patterns[name if prefix is None else f"{prefix}*"] = None
    return list(patterns)


def _read(file: WeightsFile, move: Move, dtype: torch.dtype) -> Tensor:
    tensor = file.entries[move.source].read()
    if not bool(tensor.isfinite().all()):
        raise CheckpointError(
            f"{file.path} is damaged or from a run that diverged: '{move.source}' holds NaN or "
            "infinity; give another checkpoint."
        )
    if move.change is not None:
        tensor = move.change(tensor)
    return tensor.to(dtype).contiguous()
