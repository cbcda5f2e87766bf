"""Who takes part in an evaluation: finished models and classical baselines, under names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

import torch

from mtl.conditions import OUTPUT_NAMES
from mtl.config.schema import TrackerRunConfig
from mtl.config.tracker_run import as_tracker
from mtl.errors import ConfigError
from mtl.evaluation.one_pass import OnlineTracker
from mtl.models.model_file import MODEL_FILE
from mtl.models.tracker import OnlineModel
from mtl.tracking.baselines import BaselineName, BaselineTracker, opencv_version
from mtl.tracking.finished_model import read_model
from mtl.tracking.tracker import Tracker


class Entrant(Protocol):
    """A tracker that takes part; it pickles, so that other processes can open it."""

    @property
    def name(self) -> str:
        """Of its results folder."""

    @property
    def source(self) -> str:
        """Where it came from, for people."""

    @property
    def digest(self) -> str:
        """Equal for equal trackers, different for different ones."""

    @property
    def output_names(self) -> tuple[str, ...] | None:
        """What the condition head's outputs are called; none if it is not asked."""

    def open(self, device: torch.device) -> OnlineTracker:
        """The tracker, ready to be started."""


@dataclass(frozen=True, eq=False)
class ModelEntrant:
    """One of our models."""

    name: str
    source: str
    digest: str
    model: torch.nn.Module
    config: TrackerRunConfig
    """That the model was trained with."""
    asks_conditions: bool
    """Whether the condition head runs, where there is one."""

    @property
    def output_names(self) -> tuple[str, ...] | None:
        """What the condition head's outputs are called; none if it is not asked."""
        answers = self.config.traits.answers
        return OUTPUT_NAMES[answers] if answers and self.asks_conditions else None

    def open(self, device: torch.device) -> OnlineTracker:
        """The online tracker with this model, which moves to the device."""
        return Tracker(
            cast(OnlineModel, self.model.to(device)),
            self.config.model,
            device,
            conditions=self.output_names is not None,
        )


@dataclass(frozen=True)
class BaselineEntrant:
    """One of OpenCV's trackers."""

    name: BaselineName

    @property
    def source(self) -> str:
        """OpenCV and its version."""
        return f"OpenCV {opencv_version()}"

    @property
    def digest(self) -> str:
        """OpenCV's version, by which its trackers may differ."""
        return f"opencv-{opencv_version()}-{self.name}"

    @property
    def output_names(self) -> None:
        """Classical trackers say nothing about conditions."""
        return None

    def open(self, device: torch.device) -> OnlineTracker:
        """The tracker; OpenCV runs it on the CPU."""
        return BaselineTracker(self.name)


def open_models(words: Sequence[str], asks_conditions: bool = True) -> list[ModelEntrant]:
    """The models that these words name, each under a name of its own.

    A model is called like its run folder or its file. Where two would be called alike, the folder
    above goes in front.

    Args:
        words: run folders, folders of `mtl import`, or model files; local paths or URIs.
        asks_conditions: whether condition heads run.

    Raises:
        CheckpointError: if there is no such file, or it is not one of our models.
        ConfigError: if the same place is named twice.
    """
    found = [_open(word, asks_conditions) for word in words]
    names = model_names([entrant.source for entrant in found])
    return [replace(entrant, name=name) for entrant, name in zip(found, names, strict=True)]


def model_names(sources: Sequence[str]) -> list[str]:
    """A name of its own for each model, from its place.

    Raises:
        ConfigError: if the same place is named twice.
    """
    depth = 1
    while True:
        names = [_name(source, depth) for source in sources]
        twice = [name for name, count in Counter(names).items() if count > 1]
        if not twice:
            return names
        if depth > max(len(_parts(source)) for source in sources):
            raise ConfigError(f"the model '{twice[0]}' is named twice; name it once.")
        depth += 1


def _open(word: str, asks_conditions: bool) -> ModelEntrant:
    found = read_model(word)
    return ModelEntrant(
        name=_name(found.source, 1),
        source=found.source,
        digest=found.digest,
        model=found.model,
        config=as_tracker(found.config, found.source),
        asks_conditions=asks_conditions,
    )


def _parts(source: str) -> list[str]:
    """Names on the way to a model, without those that say nothing about it."""
    address = source.partition("?")[0]
    path = address.partition("://")[2] or address
    parts = [part for part in path.split("/") if part]
    if parts and parts[-1] == MODEL_FILE:
        parts = parts[:-1]
    elif parts:
        parts[-1] = parts[-1].removesuffix(".safetensors")
    return parts


def _name(source: str, depth: int) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(_parts(source)[-depth:]))
    return name.lstrip(".-") or "model"
