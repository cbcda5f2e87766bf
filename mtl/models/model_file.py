"""Trained weights in one file, with everything that is needed to use them."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from mtl.conditions import OUTPUT_NAMES
from mtl.config.load import validate
from mtl.config.schema import PARTS, RunConfig
from mtl.config.tracker_run import as_tracker
from mtl.errors import CheckpointError
from mtl.models.build import build_model
from mtl.models.class_order import canonical_head

MODEL_FILE = "model.safetensors"
"""Its name in the folder of a run or an import."""


def save_model(
    path: Path,
    weights: Mapping[str, torch.Tensor],
    config: RunConfig,
    metrics: dict[str, Any],
    source: Mapping[str, str] | None = None,
    classes: Any = None,
) -> None:
    """Write weights with what is needed to use them: config, class order, versions, metrics.

    Args:
        path: of the new file.
        weights: by name.
        config: of the run.
        metrics: of these weights.
        source: where imported weights come from, kept beside the rest.
        classes: names of the outputs, plain lists and maps; none: those of a condition head.
    """
    if classes is None:
        classes = OUTPUT_NAMES[as_tracker(config, "the config").traits.answers or "classes"]
    metadata = {
        "family": config.model.family,
        "config": json.dumps(config.model_dump(mode="json")),
        "classes": json.dumps(classes),
        "versions": json.dumps(
            {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
            }
        ),
        "metrics": json.dumps(metrics),
        **(source or {}),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    save_file(tensors, path, metadata=metadata)


def load_model(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Weights and metadata of a model file; a condition head in another class order is reordered.

    Raises:
        CheckpointError: the file is missing, damaged or not one of ours, or has a condition head
            for other classes.
    """
    _, metadata = read_header(path)
    advice = "start from its tracker alone with model.init"
    if metadata["family"] not in PARTS:
        return read_weights(path), metadata
    names = class_names(path, metadata)
    weights, names = canonical_head(read_weights(path), names, str(path), advice)
    return weights, metadata | {"classes": json.dumps(names)}


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a file as they stand.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from None


def read_header(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Shapes and metadata of a model file, without reading its weights.

    Raises:
        CheckpointError: the file is missing, damaged or not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from None
    if "family" not in metadata or "config" not in metadata:
        raise CheckpointError(f"{path} holds weights but not their family and config.")
    return shapes, metadata


def open_model(path: Path) -> tuple[nn.Module, RunConfig]:
    """The model of a run folder or a model file, in eval mode, and the config it was trained with.

    Raises:
        CheckpointError: there is no such file, or its weights are not those of its config.
    """
    file = path / MODEL_FILE if path.is_dir() else path
    weights, metadata = load_model(file)
    if metadata.get("filled") == "partial":
        raise CheckpointError(
            f"{file} holds only a part of a {metadata['family']}, imported to start from; "
            f"train with model.init={path}."
        )
    try:
        values = json.loads(metadata["config"])
    except ValueError:
        raise CheckpointError(f"{file} is damaged: its config is no JSON.") from None
    config = validate(values, f"the config in {file}")
    model = build_model(config)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{file} does not fit its own config: {reason}") from None
    return model.eval(), config


def class_names(path: Path, metadata: Mapping[str, str]) -> tuple[str, ...]:
    """What the outputs of a file's condition head are called, in the file's order.

    Raises:
        CheckpointError: the metadata is damaged.
    """
    try:
        names = json.loads(metadata.get("classes", "[]"))
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CheckpointError(f"{path} is damaged: its class names are no list of texts.")
    return tuple(names)


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"model file {path} cannot be read: {' '.join(str(error).split())}")
