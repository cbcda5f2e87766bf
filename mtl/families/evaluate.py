"""One evaluation command for all families: finds whose models are named, and hands over."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import torch
from rich.console import Console

from mtl.benchmark.command import evaluate_request
from mtl.benchmark.plan import Execute
from mtl.benchmark.request import Request, split_words
from mtl.benchmark.run import in_this_process as track_here
from mtl.config.schema import EvaluateConfig
from mtl.config.unified_run import UnifiedEvaluateConfig
from mtl.errors import CheckpointError, ConfigError
from mtl.families.unified_evaluation.command import evaluate_unified
from mtl.families.unified_evaluation.plan import Ask
from mtl.families.unified_evaluation.request import UnifiedRequest
from mtl.families.unified_evaluation.run import in_this_process as ask_here
from mtl.tracking.baselines import BASELINES
from mtl.tracking.finished_model import family_of_model

UNIFIED = "unified"
OF_TRACKERS = {
    "baselines": "--baseline",
    "layout": "--layout",
    "max_sequences": "--max-sequences",
    "conditions": "--conditions",
    "pack": "--pack",
}
"""Fields of a `Request` that mean nothing to other families, and their options."""


class Machines(Protocol):
    """Where models run."""

    def tracking(self, config: EvaluateConfig) -> Execute:
        """What tracks sequences."""

    def answering(self, config: UnifiedEvaluateConfig) -> Ask:
        """What asks about images."""


@dataclass(frozen=True)
class ThisProcess:
    """Models run here, one after the other."""

    device: torch.device

    def tracking(self, config: EvaluateConfig) -> Execute:
        """See `Machines.tracking`."""
        return track_here(self.device, config.cluster.cpus_per_worker)

    def answering(self, config: UnifiedEvaluateConfig) -> Ask:
        """See `Machines.answering`."""
        return ask_here(self.device, config.cluster.cpus_per_worker)


def evaluate(request: Request, teachers: list[str], machines: Machines, console: Console) -> None:
    """Evaluate the models that a command names, all of one family.

    Args:
        request: what the command line asks for.
        teachers: words of the option --teacher.
        machines: where models run.
        console: for the person at the terminal.

    Raises:
        MtlError: in one sentence; what was done until then is kept.
    """
    families = _families(request)
    if UNIFIED not in families.values():
        if teachers:
            raise ConfigError("--teacher is of unified models; leave it out for trackers.")
        evaluate_request(request, machines.tracking, console)
        return
    for word, family in families.items():
        if family != UNIFIED:
            raise ConfigError(
                f"{word} is a tracker of family {family} among unified models; evaluate models of "
                "one family at a time."
            )
    for field in fields(request):
        option = OF_TRACKERS.get(field.name)
        if option and getattr(request, field.name) != field.default:
            raise ConfigError(f"{option} is of trackers; leave it out for unified models.")
    asked = UnifiedRequest(request.words, request.out, request.split, teachers)
    evaluate_unified(asked, machines.answering, console)


def _families(request: Request) -> dict[str, str]:
    """Family of each model that is named.

    Raises:
        CheckpointError: one cannot be read.
        ConfigError: one is a baseline, which an option names.
    """
    families: dict[str, str] = {}
    for word in split_words(request.words)[0]:
        try:
            families[word] = family_of_model(word)
        except CheckpointError:
            if word.lower() not in BASELINES or Path(word).exists():
                raise
            raise ConfigError(
                f"'{word}' is no run or model file; write --baseline {word.lower()}."
            ) from None
    return families
