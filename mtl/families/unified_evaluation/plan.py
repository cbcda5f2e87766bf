"""What an evaluation of unified models is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from torch import nn

from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName
from mtl.config.unified_data import UnifiedDataConfig
from mtl.config.unified_run import UnifiedRunConfig
from mtl.data.unified.index import UnifiedIndex
from mtl.families.unified_answering import Answers, Block, blocks_of
from mtl.tasks.unified_answers import ClassNames


@dataclass(frozen=True, eq=False)
class Entrant:
    """A model that takes part; it pickles, so that other processes can ask it."""

    name: str
    source: str
    """Where it came from, for people."""
    digest: str
    """Equal for equal models, different for different ones."""
    model: nn.Module
    config: UnifiedRunConfig
    """That it was trained with, but with the data of the evaluation at the size it sees."""
    tasks: tuple[UnifiedTaskName, ...]
    """That it is asked; there is data for them."""
    class_names: ClassNames
    """That it learned, by task; empty where nobody wrote them down."""


class Item(NamedTuple):
    """An entrant, by its place in the plan, and images it is asked about."""

    entrant: int
    block: Block


@dataclass(frozen=True, eq=False)
class Plan:
    """An evaluation before anyone is asked."""

    entrants: tuple[Entrant, ...]
    """Models that are compared, then their teachers that are not among them."""
    num_compared: int
    """How many of them are compared."""
    teachers: Mapping[tuple[int, UnifiedTaskName], int]
    """(place of a compared model, task) -> place of its teacher."""
    split: str
    index: UnifiedIndex
    data: UnifiedDataConfig
    files: Mapping[UnifiedTaskName, str | None]
    """Fingerprint of each task's files before anyone is asked; none: their store does not tell."""

    def items(self, entrant: int, task: UnifiedTaskName) -> list[Item]:
        """All that an entrant is asked of a task."""
        return [Item(entrant, block) for block in blocks_of(self.index, (task,))]

    def questions(self) -> Iterator[tuple[int, UnifiedTaskName]]:
        """Who is asked which task, one after the other."""
        for place, entrant in enumerate(self.entrants):
            for task in entrant.tasks:
                yield place, task


Ask: TypeAlias = Callable[[Plan, list[Item]], Iterator[tuple[Item, Answers]]]
"""Asks entrants, in any order, in this process or in others."""


def data_digests(index: UnifiedIndex) -> dict[str, str]:
    """Tells of each task whether images and labels are those that were asked about before.

    Pictures are known by name only, and the folder above them may have moved; what they hold is
    for `Plan.files` to tell.
    """
    digests: dict[str, str] = {}
    for task in UNIFIED_TASKS:
        places = index.places.get(task)
        if places is None:
            continue
        hashed = hashlib.sha256("\n".join((*places, *index.class_names[task])).encode())
        if task == "det" and index.det is not None:
            for column in (index.det.offsets, index.det.boxes_xywh, index.det.classes):
                hashed.update(column.astype("<f8").tobytes())
        if task == "cls" and index.cls is not None:
            hashed.update(index.cls.labels.astype("<i8").tobytes())
        digests[task] = hashed.hexdigest()[:16]
    return digests
