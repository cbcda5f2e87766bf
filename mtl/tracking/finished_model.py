"""A trained model as people name it: by its run folder, its file, or an address of either."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import nn

from mtl.config.schema import RunConfig, TrackerConfig
from mtl.config.tracker_run import as_tracker
from mtl.data.storage import absolute, is_remote, join, read_bytes
from mtl.errors import CheckpointError
from mtl.models.model_file import MODEL_FILE, open_model
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
    is_file = source.partition("?")[0].endswith(".safetensors")
    address = source if is_file else join(source, MODEL_FILE)
    try:
        data = read_bytes(address)
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise CheckpointError(
            f"{address} cannot be read ({reason}); name a run folder, a folder of mtl import or a "
            ".safetensors file of a model."
        ) from None
    digest = f"sha256-{hashlib.sha256(data).hexdigest()}"
    if not is_remote(address):
        return FinishedModel(source, digest, *open_model(Path(address)))
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / MODEL_FILE
        file.write_bytes(data)
        return FinishedModel(source, digest, *open_model(file))
