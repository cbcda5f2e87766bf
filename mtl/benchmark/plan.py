"""What an evaluation is made of: entrants, sequences, and the items between them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from mtl.benchmark.entrants import Entrant
from mtl.benchmark.following import Followed
from mtl.config.schema import DataConfig
from mtl.data.frame_index import Sequence
from mtl.errors import ConfigError, DataError


class Item(NamedTuple):
    """One entrant on one sequence, by their places in the plan."""

    entrant: int
    sequence: int


class Outcome(NamedTuple):
    """What came of an item."""

    item: Item
    followed: Followed | None
    """None where the sequence could not be tracked."""
    reason: str = ""
    """Why not, in one sentence."""


@dataclass(frozen=True, eq=False)
class Plan:
    """An evaluation before anything is tracked."""

    entrants: tuple[Entrant, ...]
    sequences: tuple[Sequence, ...]
    data: DataConfig
    about: dict[str, str]
    """Where the sequences are from, for people: at least root."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Reason -> items of the data set that its reader left out."""

    def items(self) -> Iterator[Item]:
        """Everything there is to do, entrant after entrant."""
        for entrant in range(len(self.entrants)):
            for sequence in range(len(self.sequences)):
                yield Item(entrant, sequence)


Execute: TypeAlias = Callable[[Plan, list[Item]], Iterator[Outcome]]
"""Tracks the items in any order, in this process or in others."""


def check_plan(plan: Plan) -> None:
    """Refuse a plan that could not be scored.

    Raises:
        ConfigError: if there is no entrant, or two have one name.
        DataError: if there is no sequence, or two have one name.
    """
    if not plan.entrants:
        raise ConfigError("name a run folder or a model file, or give --baseline csrt.")
    if not plan.sequences:
        raise DataError(
            f"{plan.about.get('root')} has no sequence to track; give another data.root."
        )
    for name, count in Counter(entrant.name for entrant in plan.entrants).items():
        if count > 1:
            raise ConfigError(f"two trackers are called '{name}'; rename the folder of one.")
    for name, count in Counter(sequence.name for sequence in plan.sequences).items():
        if count > 1:
            raise DataError(f"{count} sequences are called '{name}'; rename all but one.")


def sequence_digest(sequence: Sequence) -> str:
    """Tells whether a sequence is the one that was tracked before: its frames' names and truth.

    Pictures are known by name only, and the folder above them may have moved.
    """
    hashed = hashlib.sha256()
    hashed.update("\n".join(uri.rsplit("/", 1)[-1] for uri in sequence.frame_uris).encode())
    hashed.update(sequence.boxes_xywh.astype("<f8").tobytes())
    hashed.update(sequence.visible.astype("u1").tobytes())
    return hashed.hexdigest()[:16]
