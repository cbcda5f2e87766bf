"""Published weights to a model file of this project."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mtl.config.schema import RunConfig
from mtl.config.unified_run import UnifiedRunConfig
from mtl.errors import CheckpointError, ConfigError
from mtl.files import sha256_of
from mtl.models.class_order import HEAD, ORDERS, canonical_head
from mtl.models.model_file import MODEL_FILE, save_model
from mtl.models.weights.files import WeightsFile, open_weights
from mtl.models.weights.kinds import FAMILIES, kind_of
from mtl.models.weights.plan import Plan
from mtl.models.weights.report import Report
from mtl.models.weights.take import is_allowed, take
from mtl.models.weights.target import Target, target_for
from mtl.models.weights.tracker_names import published_head

REPORT_FILE = "import_report.json"
"""Beside the model file."""


@dataclass(frozen=True)
class Wishes:
    """What the user of an import decides."""

    family: str
    """One of `FAMILIES`."""
    config: RunConfig
    """Sizes of the model."""
    class_order: str | None = None
    """Order of the condition head's rows in the file, one of `ORDERS`; none: the family's own."""
    with_head: bool = True
    """Whether to take a condition head the file has."""
    allow_missing: tuple[str, ...] = ()
    """Patterns of entries that need not be filled."""


@dataclass(frozen=True)
class Imported:
    """What `save_import` writes."""

    weights: dict[str, Tensor]
    """By the names of the model; if the files fill no whole model, only what they fill."""
    whole: bool
    """Whether they are a whole model."""
    config: RunConfig
    """Of a run with such a model; its mode says whether there is a condition head."""
    report: Report
    """Every entry of the files and of the model."""


def import_files(paths: Sequence[Path], wishes: Wishes) -> Imported:
    """Read files of one family into one set of weights.

    Raises:
        CheckpointError: a file is unreadable, of another family or size, or fills too little.
        ConfigError: the config or a pattern does not fit the family, or two files fill the same
            entry.
    """
    model, wanted = wishes.config.model.family, FAMILIES[wishes.family]
    if model != wanted:
        raise ConfigError(
            f"--family {wishes.family} fills a {wanted}, but --config describes a {model}; give "
            f"--config {wanted} or another preset of it."
        )
    report = Report(f"{' + '.join(path.name for path in paths)} as {wishes.family}")
    weights: dict[str, Tensor] = {}
    target = None
    for path in paths:
        with open_weights(path) as file:
            title = _check_family(file, wishes.family)
            target = target or _target(file, wishes)
            plan = _plan(file, target)
            found = take(file, plan, target, wishes.allow_missing, report)
        if twice := sorted(found.keys() & weights.keys()):
            raise ConfigError(f"{path} and another file both hold '{twice[0]}'; give one of them.")
        weights |= _reordered(path, found, wishes, report)
        report.files.append({"name": path.name, "sha256": sha256_of(path), "kind": title})
    assert target is not None  # there is at least one file
    whole = _account_for_rest(weights, target, wishes, report)
    return Imported(weights, whole, target.config, report)


def save_import(imported: Imported, folder: Path) -> None:
    """Write the model file and the report into a folder that holds nothing yet.

    Raises:
        ConfigError: the folder holds something, or cannot be written.
    """
    check_new(folder)
    source = {
        "filled": "whole" if imported.whole else "partial",
        "source": json.dumps(imported.report.files),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(imported.report.as_json(), indent=1)
        (folder / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
        # What an imported head of a tracker answers is known, what a unified model does is not.
        classes: dict[str, list[str]] | None = (
            {} if imported.config.model.family == "unified" else None
        )
        save_model(folder / MODEL_FILE, imported.weights, imported.config, {}, source, classes)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error.strerror or error}; give --out another folder."
        ) from None


def check_new(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        ConfigError: it does.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not an empty folder; give --out a new one.")


def _check_family(file: WeightsFile, family: str) -> str:
    """What kind of file it is, if its family is the one that was asked for."""
    if "family" in file.metadata and "config" in file.metadata:
        raise CheckpointError(
            f"{file.path} is a model file of this project already; "
            f"start from it with model.init={file.path}."
        )
    kind = kind_of({name: entry.shape for name, entry in file.entries.items()})
    if kind.family != family:
        what = f"give --family {kind.family}" if kind.family else "no --family reads it"
        names = ", ".join(f"'{name}'" for name in list(file.entries)[:2])
        raise CheckpointError(
            f"{file.path} is not of the family {family}: its names (first {names}) look like "
            f"{kind.title}; {what}."
        )
    return kind.title


def _target(file: WeightsFile, wishes: Wishes) -> Target:
    """The model to fill; a tracker's condition head is kept if the file has one."""
    shapes = {name: entry.shape for name, entry in file.entries.items()}
    target = target_for(wishes.config, published_head(shapes) if wishes.with_head else {})
    for pattern in wishes.allow_missing:
        if not fnmatch.filter(target.shapes, pattern):
            raise ConfigError(
                f"--allow-missing '{pattern}' means no entry of the model, whose first is "
                f"'{next(iter(target.shapes))}'."
            )
    return target


def _plan(file: WeightsFile, target: Target) -> Plan:
    shapes = {name: entry.shape for name, entry in file.entries.items()}
    kind = kind_of(shapes)
    assert kind.plan is not None  # a kind of some family has one
    return kind.plan(shapes, target.shapes)


def _reordered(
    path: Path, weights: dict[str, Tensor], wishes: Wishes, report: Report
) -> dict[str, Tensor]:
    """Weights whose condition head answers in the canonical order."""
    if f"{HEAD}fc2.weight" not in weights:
        return weights
    order = wishes.class_order or FAMILIES[wishes.family]
    origin = f"{path} read in --class-order {order}"
    advice = "give --without-head to take the tracker alone"
    weights, _ = canonical_head(weights, ORDERS[order], origin, advice)
    report.notes.append(f"the condition head's rows were read in the class order '{order}'")
    return weights


def _account_for_rest(
    weights: dict[str, Tensor], target: Target, wishes: Wishes, report: Report
) -> bool:
    """Report what nothing fills, and add zeros where no output depends on it.

    Returns:
        Whether the weights are those of a whole model.
    """
    lacking = [name for name in target.shapes if name not in weights]
    whole = all(name in target.unused for name in lacking)
    for name in lacking:
        allowed = is_allowed(name, wishes.allow_missing)
        why = "allowed by --allow-missing" if allowed else "no such file has it; it starts fresh"
        report.missing.setdefault(name, why)
        if whole:
            weights[name] = torch.zeros(target.shapes[name], dtype=target.dtypes[name])
    for name in [name for name in report.missing if name in weights and not whole]:
        del report.missing[name]  # another file had it
    return whole


def _class_names(config: RunConfig) -> dict[str, list[str]] | None:
    """Of the outputs, for `save_model`: a unified model's are written in no published file."""
    return {} if isinstance(config, UnifiedRunConfig) else None
