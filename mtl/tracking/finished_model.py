"""A trained model as people name it: by its run folder, its file, or an address of either."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from mtl.config.schema import RunConfig, TrackerConfig
from mtl.config.tracker_run import as_tracker
from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName
from mtl.data.storage import absolute, is_remote, join, read_bytes
from mtl.errors import CheckpointError
from mtl.hiccups import words_of
from mtl.models.model_file import MODEL_FILE, open_model, read_header
from mtl.models.tracker import OnlineModel


class FinishedModel(NamedTuple):
    """A model, and where it came from."""

    source: str
    """Absolute path or URI of the folder or file that was named."""
    digest: str
    """Of the file's bytes."""
    model: nn.Module
    """In eval mode, on the CPU."""
    config: RunConfig
    """That it was trained with."""
    classes: Any
    """Names of its outputs: a list, or lists by task; empty where they are not known."""

    @property
    def unified_classes(self) -> dict[UnifiedTaskName, tuple[str, ...]]:
        """Names of a unified model's outputs, by task; empty where they are not known."""
        return _by_task(self.classes)

    def on(self, device: torch.device | None) -> tuple[OnlineModel, TrackerConfig, torch.device]:
        """What a tracker is made of, on a device; none: a GPU where there is one.

        Raises:
            ConfigError: if the model is no tracker.
        """
        device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        config = as_tracker(self.config, self.source).model
        return cast(OnlineModel, self.model.to(device)), config, device


def read_model(place: str | Path) -> FinishedModel:
    """The model of a run folder, a folder of `mtl import` or a .safetensors file.

    Args:
        place: a local path or a URI.

    Raises:
        CheckpointError: if there is no such file, or it is not one of our models.
    """
    source = absolute(str(place))
    with _local_file(source) as file:
        digest = f"sha256-{hashlib.sha256(file.read_bytes()).hexdigest()}"
        model, config = open_model(file)
        classes = _classes(read_header(file)[1])
        return FinishedModel(source, digest, model, config, classes)


def family_of_model(place: str | Path) -> str:
    """The family of what `read_model` would read.

    Raises:
        CheckpointError: as `read_model`.
    """
    with _local_file(absolute(str(place))) as file:
        return read_header(file)[1]["family"]


def unified_classes_of_model(place: str | Path) -> dict[UnifiedTaskName, tuple[str, ...]]:
    """`FinishedModel.unified_classes` of what `read_model` would read, without its weights.

    Raises:
        CheckpointError: as `read_model`.
    """
    with _local_file(absolute(str(place))) as file:
        return _by_task(_classes(read_header(file)[1]))


def _classes(metadata: Mapping[str, str]) -> Any:
    return json.loads(metadata.get("classes", "[]"))


def _by_task(classes: Any) -> dict[UnifiedTaskName, tuple[str, ...]]:
    known = classes if isinstance(classes, dict) else {}
    return {task: tuple(known[task]) for task in UNIFIED_TASKS if task in known}


def model_address(source: str) -> str:
    """Address of the file of a model that is named by its folder or its file."""
    is_file = source.partition("?")[0].endswith(".safetensors")
    return source if is_file else join(source, MODEL_FILE)


@contextmanager
def _local_file(source: str) -> Iterator[Path]:
    """The model's file on this machine, for a while."""
    address = model_address(source)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / MODEL_FILE if is_remote(address) else Path(address)
        try:
            if is_remote(address):
                file.write_bytes(read_bytes(address))
            else:
                file.open("rb").close()
        except OSError as error:
            reason = error.strerror or words_of(error)
            raise CheckpointError(
                f"{address} cannot be read ({reason}); name a run folder, a folder of mtl import "
                "or a .safetensors file of a model."
            ) from None
        yield file
