"""What different ways of searching reach for what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet
from matplotlib.axes import Axes

from mtl.errors import DataError
from mtl.report.curves import FAINT
from tune.charts import GRASS, SAND, SEA

TRIALS = "trials.parquet"
COLORS = (FAINT, SEA, SAND, GRASS)


@dataclass(frozen=True)
class Way:
    """One way of searching."""

    name: str
    words: tuple[str, ...]
    """What it sets in a search."""


WAYS = (
    Way("random", ("sampler=random", "scheduler=none")),
    Way("tpe", ("sampler=tpe", "scheduler=none")),
    Way("random_asha", ("sampler=random", "scheduler=asha")),
    Way("tpe_asha", ("sampler=tpe", "scheduler=asha")),
)
"""The baseline first: chance, every trial trained to its end. Where chance has early stopping too,
one sees what each of the two is worth."""


@dataclass(frozen=True)
class Course:
    """Finished trials of one search in their order; larger values are better."""

    way: str
    seed: int
    epochs: tuple[int, ...]
    """Epochs that all trials had trained by the time each of them finished."""
    values: tuple[float, ...]
    """Objective of each."""
    total: int
    """Epochs of the whole search."""

    def cost_of(self, value: float) -> float:
        """Epochs after which a value was reached; infinite: it never was."""
        reached = (e for e, v in zip(self.epochs, self.values, strict=True) if v >= value)
        return float(next(reached, np.inf))

    def best_at(self, epochs: np.ndarray) -> np.ndarray:
        """Best value by each of these numbers of epochs; nan: none had finished."""
        best = np.maximum.accumulate(np.array(self.values))
        place = np.searchsorted(self.epochs, epochs, side="right") - 1
        return np.where(place < 0, np.nan, best[np.maximum(place, 0)])


def read_course(folder: Path, way: str, seed: int, minimize: bool) -> Course:
    """The course of a finished search, from its trials.parquet.

    Trials that were stopped or failed cost what they trained and have no value.

    Raises:
        DataError: no trial finished.
    """
    rows = pyarrow.parquet.read_table(folder / TRIALS).to_pylist()
    objective = next(name for name in rows[0] if name.startswith("objective/"))
    spent = np.cumsum([row["epochs"] for row in rows])
    ended = [(int(e), row[objective]) for e, row in zip(spent, rows, strict=True)]
    finished = [(e, -v if minimize else v) for e, v in ended if v is not None]
    if not finished:
        raise DataError(f"no trial of {folder} finished; its trials.parquet says why.")
    return Course(
        way, seed, tuple(e for e, _ in finished), tuple(v for _, v in finished), int(spent[-1])
    )


def shares(courses: Sequence[Course], way: str) -> dict[int, float]:
    """Epochs a way needs for the baseline's best value over the baseline's epochs, by seed.

    Searches of one seed try the same values by chance, so part of this may be the same luck.
    """
    base = of_way(courses, WAYS[0].name)
    return {
        course.seed: _share(course, base[course.seed]) for course in of_way(courses, way).values()
    }


def shares_across(courses: Sequence[Course], way: str) -> list[float]:
    """What `shares` says, for the best values that the baseline has with other seeds.

    Such searches share no luck; one number for each pair of seeds.
    """
    return [
        _share(course, base)
        for course in of_way(courses, way).values()
        for base in of_way(courses, WAYS[0].name).values()
        if base.seed != course.seed
    ]


def of_way(courses: Sequence[Course], way: str) -> dict[int, Course]:
    """A way's courses by their seed."""
    return {course.seed: course for course in courses if course.way == way}


def _share(course: Course, base: Course) -> float:
    return course.cost_of(max(base.values)) / base.total


def drawn_courses(courses: Sequence[Course], sign: float, label: str) -> Callable[[Axes], None]:
    """Best value so far over epochs: each search thin, the median of a way's searches thick.

    Args:
        courses: of all seeds.
        sign: -1 where the objective is minimised, else 1.
        label: of the objective.
    """

    def draw(axes: Axes) -> None:
        grid = np.arange(1, max(course.total for course in courses) + 1)
        for way, color in zip(WAYS, COLORS, strict=True):
            mine = list(of_way(courses, way.name).values())
            if not mine:
                continue
            bests = np.array([course.best_at(grid) for course in mine])
            ends = min(course.total for course in mine)
            for best, course in zip(bests, mine, strict=True):
                shown = grid <= course.total
                axes.step(grid[shown], sign * best[shown], where="post", color=color, linewidth=0.7)
            shown = grid <= ends
            middle = np.median(bests, axis=0)
            axes.step(
                grid[shown], sign * middle[shown], where="post", color=color, linewidth=2.4,
                label=way.name,
            )  # fmt: skip
        axes.set_xlabel("epochs trained by all trials", fontsize=9, loc="right")
        axes.set_ylabel(label, fontsize=9)
        axes.grid(axis="y", color="#e6eaee", linewidth=0.8)
        axes.legend(frameon=False, fontsize=9, loc="lower right" if sign > 0 else "upper right")

    return draw
