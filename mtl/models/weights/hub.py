"""Weights that timm publishes, by the name of the model."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from timm.models import get_pretrained_cfg, is_model

from mtl.errors import CheckpointError

PREFIX = "timm:"
FILE = "model.safetensors"


def local_file(word: str) -> Path:
    """The file that a word of the command line means.

    Args:
        word: a path, or `timm:MODEL` for what timm publishes as MODEL. That is downloaded once,
            into the cache of huggingface_hub, and never executed.

    Raises:
        CheckpointError: timm publishes no such weights, or they cannot be had.
    """
    if not word.startswith(PREFIX):
        return Path(word)
    name = word.removeprefix(PREFIX)
    try:
        published = get_pretrained_cfg(name) if is_model(name) else None
    except RuntimeError:  # it has weights, but none of that tag
        published = None
    if published is None or not published.hf_hub_id:
        raise CheckpointError(
            f"{word} must name a model that timm publishes weights of, such as "
            f"{PREFIX}efficientnet_b0; see `timm.list_pretrained()`."
        )
    try:
        return Path(hf_hub_download(published.hf_hub_id, FILE))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{word} cannot be downloaded from huggingface.co/{published.hf_hub_id}: {reason} "
            "Give a file that was downloaded elsewhere."
        ) from None
