"""Compare ways of searching: `python tune/benchmark.py [PRESET|FILE.yaml] [key=value ...]`.

Random search and TPE, with and without trials that are stopped early, on the same space with the
same trial code: best value so far against epochs trained. With no arguments: `untuned`, a tracker
of embedded sequences that begins with values of another network.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / "pyproject.toml").exists() and str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a script, Python looks for packages in tune/ only
if str(ROOT / "tune") in sys.path:
    sys.path.remove(str(ROOT / "tune"))

import cluster.settings  # noqa: F401 - before Ray

# isort: split
import pyarrow.parquet
from rich.console import Console
from rich.table import Table

from cluster.ending import exit_status
from mtl.commands.command import Parser
from mtl.errors import ConfigError
from mtl.files import write_atomically
from tune.charts import drawn
from tune.compared import (
    TRIALS,
    WAYS,
    Course,
    Way,
    drawn_courses,
    of_way,
    read_course,
    shares,
    shares_across,
)
from tune.config import SearchConfig
from tune.search import SEARCH_FILE, check_folder, resolve, run_search

OURS = ("sampler", "scheduler", "seed", "reruns", "concurrent_trials", "name", "storage", "resume")
"""Keys of a search that a comparison sets."""


UNTUNED = "untuned"
"""The search that is compared by where none is named."""


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    made = Parser(
        prog="python tune/benchmark.py",
        description="Search with chance and with TPE, both with and without early stopping, with "
        "several seeds each, and show the best value of each against the epochs it took. Killed, "
        "the same command goes on.",
    )
    made.add_argument(
        "words", nargs="*", help="as for tune/search.py: a preset or file (untuned), key=value"
    )
    made.add_argument("--seeds", type=int, default=3, help="searches of each way (3)")
    made.add_argument("--trials", type=int, default=24, help="trials that run to their end (24)")
    made.add_argument(
        "--asha-trials", type=int, help="trials of the ways that stop them early (2 x --trials)"
    )
    made.add_argument(
        "--ways",
        type=lambda names: names.split(","),
        default=[way.name for way in WAYS],
        metavar="WAY,WAY",
        help="those that are compared, chance always (all: %(default)s)",
    )
    made.add_argument("--out", type=Path, default=Path("runs/search-benchmark"), help="folder")
    return made


def searches(options: argparse.Namespace) -> Iterator[tuple[Way, int, list[str]]]:
    """Each search: its way, its seed and its words for tune/search.py."""
    early = options.asha_trials or 2 * options.trials
    for seed in range(1, options.seeds + 1):
        for way in compared(options):
            name = f"{way.name}-{seed}"
            trials = early if "scheduler=asha" in way.words else options.trials
            resume = (options.out / name / SEARCH_FILE).is_file()
            yield way, seed, [
                *options.words, *way.words, f"trials={trials}",
                f"seed={seed}", "reruns.top=0", "concurrent_trials=1", f"storage={options.out}",
                f"name={name}", f"resume={str(resume).lower()}",
            ]  # fmt: skip


def compared(options: argparse.Namespace) -> list[Way]:
    """The ways that were asked for, and the one all are compared with."""
    return [way for way in WAYS if way.name in (WAYS[0].name, *options.ways)]


def check_options(options: argparse.Namespace) -> SearchConfig:
    """The search that is compared.

    Raises:
        ConfigError: an option cannot be, or the search has what a comparison cannot have.
    """
    for name in ("seeds", "trials", "asha_trials"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ConfigError(f"--{name.replace('_', '-')} must be at least 1, got {value}.")
    unknown = set(options.ways) - {way.name for way in WAYS}
    if unknown:
        raise ConfigError(
            f"--ways: '{min(unknown)}' is no way of searching; there are "
            f"{', '.join(way.name for way in WAYS)}."
        )
    for word in options.words:
        key = word.split("=", 1)[0]
        if "=" in word and key.split(".")[0] in (*OURS, "trials"):
            raise ConfigError(f"{key}= is set by the comparison itself; leave it out.")
    search = resolve([*options.words, "name=benchmark"])
    if len(search.objectives) > 1:
        raise ConfigError(
            f"objectives must be one, got {len(search.objectives)}; several have no best value."
        )
    return search


def compare(options: argparse.Namespace, at_end: ExitStack) -> None:
    """Carry out every search that is not done, and show what they reached.

    Raises:
        MtlError: in one sentence; searches that ended are kept.
    """
    options.out = options.out.resolve()
    objective = check_options(options).objectives[0]
    minimize = objective.direction == "minimize"
    courses = []
    for way, seed, words in searches(options):
        folder = options.out / f"{way.name}-{seed}"
        if not is_done(words, folder):
            run_search(words, at_end)
        courses.append(read_course(folder, way.name, seed, minimize))
    sign = -1.0 if minimize else 1.0
    chart = drawn(drawn_courses(courses, sign, objective.value), 6.4, 3.6)
    write_atomically(options.out / "benchmark.svg", chart.encode())
    told = json.dumps(_told(courses, compared(options)), indent=1)
    write_atomically(options.out / "benchmark.json", told.encode())
    _show(courses, compared(options), sign, objective.value, options.out)


def is_done(words: Sequence[str], folder: Path) -> bool:
    """Whether a search has ended with as many trials as these words ask for.

    Raises:
        ConfigError: the folder holds a search of something else.
    """
    if not (folder / TRIALS).is_file():
        return False
    search = resolve(words)
    check_folder(search, folder)
    return pyarrow.parquet.read_metadata(folder / TRIALS).num_rows >= search.trials


def _told(courses: Sequence[Course], ways: Sequence[Way]) -> dict[str, object]:
    """Everything a reader needs to draw the chart anew; null: never reached."""

    def finite(share: float) -> float | None:
        return share if share < float("inf") else None

    return {
        "searches": [vars(course) for course in courses],
        "share_of_random_epochs": {
            way.name: {seed: finite(x) for seed, x in shares(courses, way.name).items()}
            for way in ways
        },
        "share_of_random_epochs_across_seeds": {
            way.name: [finite(x) for x in shares_across(courses, way.name)] for way in ways
        },
    }


def _show(
    courses: Sequence[Course], ways: Sequence[Way], sign: float, label: str, folder: Path
) -> None:
    table = Table("way", f"best {label}, by seed", "epochs", "to reach random's best", "median")
    across = len({course.seed for course in courses}) > 1
    if across:
        table.add_column("other seeds' best, median")
    for way in ways:
        mine = of_way(courses, way.name).values()
        needed = list(shares(courses, way.name).values())
        others = [_percent(statistics.median(shares_across(courses, way.name)))] if across else []
        table.add_row(
            way.name,
            ", ".join(f"{sign * max(course.values):.4f}" for course in mine),
            ", ".join(str(course.total) for course in mine),
            ", ".join(_percent(share) for share in needed),
            _percent(statistics.median(needed)),
            *others,
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"chart: {folder}/benchmark.svg", soft_wrap=True, markup=False)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share < float("inf") else "never"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = parser().parse_args(arguments)
    if not options.words or "=" in options.words[0]:
        options.words.insert(0, UNTUNED)
    return exit_status(
        lambda at_end: compare(options, at_end), "stopped; the same command goes on."
    )


if __name__ == "__main__":
    sys.exit(main())
