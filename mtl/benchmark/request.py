"""From the words of a command to a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mtl.benchmark.entrants import BaselineEntrant, Entrant, open_models
from mtl.benchmark.plan import Plan, check_plan
from mtl.benchmark.sequences import open_data
from mtl.config.load import load_evaluation
from mtl.config.schema import DataConfig, EvaluateConfig
from mtl.errors import ConfigError
from mtl.tracking.baselines import BASELINES, BaselineTracker

ConditionSource = Literal["labels", "predicted", "both"]
"""Whose word counts on what condition a frame shows: the data set's, the model's own, or both."""
ArchiveKind = Literal["got10k", "trackingnet"]


@dataclass(frozen=True)
class Request:
    """What a command line asks for, unchecked."""

    words: Sequence[str]
    """Run folders and model files, and `section.key=value` words."""
    out: Path
    """Folder of the evaluation."""
    baselines: Sequence[str] = ()
    """Names of classical trackers."""
    layout: str | None = None
    """Of the data; none: found by looking."""
    split: str | None = None
    """Of the data; none: what the layout evaluates on."""
    max_sequences: int | None = None
    """At most this many, in the data's order."""
    conditions: ConditionSource = "both"
    """Where a frame's condition comes from."""
    pack: ArchiveKind | None = None
    """Which server's archive is made of each tracker's results."""


def resolve(request: Request) -> tuple[Plan, EvaluateConfig]:
    """Open the models and the data, and check that they make an evaluation.

    Without `data.root` the sequences are those that the first model's run embeds.

    Raises:
        MtlError: one sentence about the word, file or sequence that is wrong.
    """
    if request.pack is not None and request.max_sequences is not None:
        raise ConfigError("--pack needs every sequence; leave --max-sequences out.")
    models, overrides = split_words(request.words)
    config = load_evaluation(EvaluateConfig(), overrides)  # a wrong word, before a slow file
    entrants: list[Entrant] = []
    found = open_models(models, asks_conditions=request.conditions != "labels")
    entrants += found
    for name in dict.fromkeys(request.baselines):
        if name not in BASELINES:
            raise ConfigError(f"--baseline must be one of {', '.join(BASELINES)}, got '{name}'.")
        BaselineTracker(name)  # refused at once where OpenCV lacks it
        entrants.append(BaselineEntrant(name))
    if config.data.root is None and found:
        embedded = found[0].config.data.synthetic
        config = load_evaluation(
            EvaluateConfig(data=DataConfig(synthetic=embedded), cluster=config.cluster), overrides
        )
    data = open_data(config.data, request.layout, request.split, request.max_sequences)
    plan = Plan(tuple(entrants), data.sequences, config.data, data.about, data.skipped)
    check_plan(plan)
    return plan, config


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words that name models, and `section.key=value` words."""
    models = [word for word in words if not _is_override(word)]
    return models, [word for word in words if _is_override(word)]


def _is_override(word: str) -> bool:
    """A word such as data.root=DIR; a path may hold = too, but not before its first slash."""
    key, sign, _ = word.partition("=")
    return bool(sign) and "/" not in key
