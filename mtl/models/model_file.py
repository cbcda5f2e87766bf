"""Trained weights in one file, with everything that is needed to use them."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from mtl.conditions import OUTPUT_NAMES
from mtl.config.load import validate
from mtl.config.schema import RunConfig
from mtl.errors import CheckpointError
from mtl.models.build import build_model


def save_model(
    path: Path, weights: dict[str, torch.Tensor], config: RunConfig, metrics: dict[str, Any]
) -> None:
    """Write weights with what is needed to use them: config, class order, versions, metrics."""
    metadata = {
        "family": config.model.family,
        "config": json.dumps(config.model_dump(mode="json")),
        "classes": json.dumps(OUTPUT_NAMES[config.traits.answers or "classes"]),
        "versions": json.dumps(
            {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
            }
        ),
        "metrics": json.dumps(metrics),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    save_file(tensors, path, metadata=metadata)


def load_model(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Weights and metadata of a model file.

    Raises:
        CheckpointError: the file is missing, damaged or not one of ours.
    """
    try:
        weights = load_file(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"model file {path} cannot be read: {error}") from None
    if "family" not in metadata:
        raise CheckpointError(f"{path} holds weights but not their family and config.")
    return weights, metadata


def open_model(path: Path) -> tuple[nn.Module, RunConfig]:
    """The model of a run folder or a model file, in eval mode, and the config it was trained with.

    Raises:
        CheckpointError: there is no such file, or its weights are not those of its config.
    """
    file = path / "model.safetensors" if path.is_dir() else path
    weights, metadata = load_model(file)
    config = validate(json.loads(metadata["config"]), f"the config in {file}")
    model = build_model(config)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{file} does not fit its own config: {error}") from None
    return model.eval(), config
