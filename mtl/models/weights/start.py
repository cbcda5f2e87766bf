"""Starting a model from weights: an import, a run, or a model file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from mtl.config.schema import RunConfig
from mtl.errors import CheckpointError
from mtl.models.build import build_model
from mtl.models.class_order import HEAD, canonical_head
from mtl.models.model_file import MODEL_FILE, class_names, read_header, read_weights
from mtl.models.weights.kinds import FAMILIES
from mtl.models.weights.plan import Shapes
from mtl.models.weights.report import Report
from mtl.models.weights.sizes import first_difference

LAYERS = (f"{HEAD}fc1.", f"{HEAD}fc2.")
"""Layers that make a condition head; a fusion beside them starts as if it were not there."""

FIRST_NAMES = {"HIP.": "hiptrack", "bottleneck.": "simtrack", "necks.": "unified"}
"""How names begin that only one family has."""


def start_from(model: nn.Module, path: Path) -> Report:
    """Give a model the weights of a file, as far as the file has them.

    The tracker must fit wholly, unless the file is an import that fills a part only. A condition
    head of other outputs or another width is left as it is.

    Args:
        model: of `build_model`.
        path: folder of `mtl import` or of a run, or a .safetensors file written by either.

    Raises:
        CheckpointError: there is no such file, or its tracker does not fit the model.
    """
    file = _model_file(path)
    shapes, metadata = read_header(file)
    report = _report(file, model, shapes, metadata)
    weights = read_weights(file)
    if any(name.startswith(HEAD) for name in report.taken):
        names = class_names(file, metadata)
        weights, _ = canonical_head(weights, names, str(file), "give another model.init")
    entries = model.state_dict()
    with torch.no_grad():
        for name in report.taken:
            entries[name].copy_(weights[name])
    return report


def check_start(config: RunConfig, path: Path) -> Report:
    """What `start_from` would do to a model of this config, from the file's header alone.

    Raises:
        CheckpointError: as `start_from`.
    """
    with torch.device("meta"):
        model = build_model(config)
    file = _model_file(path)
    return _report(file, model, *read_header(file))


def _model_file(path: Path) -> Path:
    """The model file that a path means."""
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.exists():
        raise CheckpointError(
            f"model.init={path} does not exist or holds no {MODEL_FILE}; give a folder of "
            "`mtl import`, a run folder or a .safetensors file that every node can read."
        )
    if not _is_ours(file):
        raise CheckpointError(
            f"model.init={path} is no model file of this project; run `mtl import {path} --family "
            f"{'|'.join(FAMILIES)} --out DIR` first and give model.init=DIR."
        )
    return file


def _is_ours(file: Path) -> bool:
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (OSError, SafetensorError) as error:
        if file.suffix != ".safetensors":
            return False
        reason = " ".join(str(error).split())
        raise CheckpointError(f"model.init={file} cannot be read: {reason}") from None
    return {"family", "config", "classes"} <= metadata.keys()


def _report(file: Path, model: Any, shapes: Shapes, metadata: Mapping[str, str]) -> Report:
    """What of a file fits a model.

    Raises:
        CheckpointError: its tracker does not.
    """
    ours = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    report = Report(f"started from {file}")
    tracker = {name: shape for name, shape in shapes.items() if not name.startswith(HEAD)}
    _check_tracker(file, tracker, ours, metadata)
    why = _why_head_is_fresh(model, shapes, ours, file, metadata)
    for name in shapes:
        if name in tracker or (not why and shapes[name] == ours.get(name)):
            report.taken.append(name)
        else:
            report.ignored[name] = why or "the model's condition head has no such entry"
    if why and any(name.startswith(HEAD) for name in ours):
        report.notes.append(f"the condition head starts fresh: {why}")
    if fusion := [name for name in report.ignored if not name.startswith(LAYERS)]:
        report.notes.append(f"the file's boxes depended on '{fusion[0]}', the model's do not")
    for name in ours:
        if name not in shapes or name in report.ignored:
            report.missing[name] = "it starts fresh"
    return report


def _check_tracker(file: Path, tracker: Shapes, ours: Shapes, metadata: Mapping[str, str]) -> None:
    """Refuse a tracker that is not wholly the model's."""
    partial = metadata.get("filled") == "partial"
    family = next(f for start, f in FIRST_NAMES.items() if any(n.startswith(start) for n in ours))
    if metadata["family"] != family:
        raise CheckpointError(
            f"{file} holds weights of {metadata['family']}, the model is {family}; give another "
            "model.init or another preset."
        )
    needed = () if partial else (name for name in ours if not name.startswith(HEAD))
    names = dict.fromkeys((*tracker, *needed))
    entry = next((name for name in names if tracker.get(name) != ours.get(name)), None)
    if entry is None:
        return
    hint = "no key of the config changes it"
    if difference := first_difference(family, tracker, ours):
        entry, hint = difference.entry, f"set {difference.key}={difference.value}"
    raise CheckpointError(
        f"{file} does not fit the model: '{entry}' is {tracker.get(entry, 'absent')} there and "
        f"{ours.get(entry, 'absent')} in the model; {hint}."
    )


def _why_head_is_fresh(
    model: Any, shapes: Shapes, ours: Shapes, file: Path, metadata: Mapping[str, str]
) -> str | None:
    """Why the file's condition head is of no use to the model; none if it is."""
    mine = [name for name in ours if name.startswith(LAYERS)]
    if not mine:
        return "the model has none"
    if not any(name.startswith(HEAD) for name in shapes):
        return "the file has none"
    classes = class_names(file, metadata)
    if sorted(classes) != sorted(model.condition_head.names):
        return f"the file's answers {', '.join(classes[:2])} ..., which this mode does not learn"
    for name in mine:
        if shapes.get(name) != ours[name]:
            return f"'{name}' is {shapes.get(name, 'absent')} there and {ours[name]} in the model"
    return None
