"""A small data set and trackers that need no network, for tests of evaluations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mtl.benchmark.plan import Item, Outcome, Plan
from mtl.benchmark.sequences import open_data
from mtl.config.load import load
from mtl.config.schema import DataConfig
from mtl.evaluation.one_pass import OnlineTracker
from mtl.models.build import build_model
from mtl.models.model_file import save_model
from tests.data.sequence_files import write_sequence

NAMES = ("alpha", "beta", "gamma")
TINY_MODEL = (
    "model.template.size=32", "model.search.size=64", "model.backbone.width=32",
    "model.backbone.depth=2", "model.backbone.num_heads=2", "model.backbone.elimination_blocks=[1]",
    "model.box_head.channels=16", "model.prompt.key_width=8", "model.prompt.encoder_width=4",
    "head.hidden_width=8",
)  # fmt: skip


def write_test_split(root: Path, length: int = 8) -> Path:
    for number, name in enumerate(NAMES):
        write_sequence(root / "test" / name, length, picture_seed=number)
    return root


def small_plan(root: Path, *entrants: Drifter, on_error: str = "stop") -> Plan:
    config = DataConfig(root=str(root), on_error=on_error)  # type: ignore[arg-type]
    data = open_data(config, None, "test", None)
    return Plan(entrants, data.sequences, config, data.about, data.skipped)


def write_model(folder: Path, seed: int = 0, *words: str) -> Path:
    """A run folder with a tiny, untrained model that follows with a condition head."""
    config = load("demo", [*TINY_MODEL, *words])
    torch.manual_seed(seed)
    model = build_model(config)
    folder.mkdir(parents=True)
    save_model(folder / "model.safetensors", model.state_dict(), config, {})
    return folder


class Box(NamedTuple):
    box_xywh: np.ndarray
    conditions: dict[str, float] | None


@dataclass(frozen=True)
class Drifter:
    """Goes right by so many pixels a frame; the truth goes by one."""

    name: str
    step: float
    output_names: tuple[str, ...] | None = None
    source: str = "tests"

    @property
    def digest(self) -> str:
        return f"drifter-{self.step}"

    def open(self, device: torch.device) -> OnlineTracker:
        return _Drifting(self.step, self.output_names)


class _Drifting:
    def __init__(self, step: float, names: tuple[str, ...] | None) -> None:
        self.step = step
        self.names = names
        self.box = np.zeros(4)

    def init(self, frame: np.ndarray, box_xywh: np.ndarray) -> None:
        self.box = np.array(box_xywh, np.float64)

    def update(self, frame: np.ndarray) -> Box:
        self.box = self.box + np.array([self.step, 0.0, 0.0, 0.0])
        if self.names is None:
            return Box(self.box, None)
        return Box(self.box, {name: 1.0 / (1 + place) for place, name in enumerate(self.names)})


def nothing_may_run(plan: Plan, items: list[Item]) -> Iterator[Outcome]:
    """An executor for evaluations that must be done already."""
    assert not items, items
    yield from ()
