"""Compare ways of learning: `python cluster/retention.py [PRESET|FILE.yaml] [key=value ...]`.

With no arguments: the unified_demo preset on embedded scenes. Trains the joint run with its
teachers as `cluster/train.py` does, then the same tasks one after another with each method of
retention, and leaves one table.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / "pyproject.toml").exists() and str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a script, Python looks for packages in cluster/ only

import cluster.settings  # noqa: F401 - before Ray

# isort: split
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cluster.ending import exit_status
from cluster.job import connect, run_training, train_runs
from cluster.preflight import (
    check_disk,
    check_name,
    check_resources,
    check_run_on_nodes,
    check_storage,
    differences,
    saved_config,
    with_gpus,
)
from cluster.progress import Display, new_board
from cluster.room import missing_room, room_for
from cluster.stopping import passing_on_sigterm
from cluster.summary import publish_report
from cluster.train import resolve
from mtl.config.unified_run import UnifiedRunConfig
from mtl.doctor.weights import check_init
from mtl.errors import ConfigError
from mtl.evaluation.unified.result import MAIN_METRIC
from mtl.families import family_of
from mtl.families.footprint import disk_need, num_runs
from mtl.families.retention import FOLDER, outcomes, phases_of, sequential_runs
from mtl.families.unified import require_images
from mtl.report.retention import RetentionTable, phases_csv, retention_csv, retention_page
from mtl.training.run_folder import RunFolder

USAGE = """usage: python cluster/retention.py [PRESET|FILE.yaml] [section.key=value ...]

Trains the unified model on all tasks at once, with teachers, and on one task after another: with
nothing against forgetting, with replay, EWC and LwF. Leaves in runs/NAME/retention/ what each knows
after every phase and has forgotten at the end. With no arguments: the unified_demo preset on
embedded scenes.

name=NAME resume=true goes on where it was stopped, or begins from the joint run of that name; what
has ended is kept, and stays in the table when compare= names other methods.

keys (all keys: python -m mtl config unified_demo):
  retention.order=[seg, det, cls]   the order in which tasks are learned
  retention.compare=[none, ewc]     methods in the table; default: all four
  retention.memory_images=N         replay: images kept of each task
  retention.ewc_weight=W            EWC: factor of the penalty
  retention.lwf_weight=W            LwF: factor of the distance from the model before
  stages.teachers.epochs=N          epochs of each phase, and of each teacher"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if any(word in ("-h", "--help") for word in words):
        print(USAGE)
        return 0
    stopped = "stopped; the same command with resume=true and this name goes on."
    return exit_status(lambda at_end: compare(words, at_end), stopped)


def compare(words: Sequence[str], at_end: ExitStack) -> None:
    """Train what these command-line words ask for and leave the table.

    Raises:
        MtlError: in one sentence; what was trained until then is kept.
    """
    console = Console(highlight=False, soft_wrap=True)
    config = _joint(words)
    folder = RunFolder(config.storage, str(config.name))
    runs = sequential_runs(config, config.retention.compare)
    _check_joint(config, folder)
    check_init(config)
    check_storage(config.storage)
    console.print(f"run '{config.name}' in {folder.place}", markup=False)
    indices = family_of(config).indices()
    order, size = config.retention.order, config.teachers.batch_size
    require_images(indices.train, "teachers.batch_size", size, order[1:])
    for run in runs.values():
        family_of(run).indices()  # refuses what would fail only after the joint run
    _check_sequential(config)
    all_runs = num_runs(config) + sum(map(num_runs, runs.values()))
    need = replace(disk_need(config), training=all_runs, runs=all_runs)
    check_disk(config, need)
    joined = connect(config, at_end)
    config = cast(UnifiedRunConfig, with_gpus(config))
    with room_for(config, lambda: check_resources(config), console.print):
        if joined:
            check_run_on_nodes(config, need)
    if not folder.finished():
        run_training(config, indices, folder, console)
        publish_report(folder)
    board = new_board()
    with (
        Display(console, board, lambda: missing_room(config.cluster)),
        passing_on_sigterm(board),
    ):
        runs = sequential_runs(config, config.retention.compare)  # with the GPUs
        train_runs(list(runs.values()), board, console)
    _publish(config, folder, console)


def _joint(words: Sequence[str]) -> UnifiedRunConfig:
    """The joint run that these words ask for.

    Raises:
        ConfigError: it is of another family or decoded as no other row can be, or the words are
            wrong.
    """
    config = resolve(words, preset="unified_demo")
    if not isinstance(config, UnifiedRunConfig):
        raise ConfigError(
            f"model.family must be unified, whose tasks can be learned one after another, got "
            f"{config.model.family}; give the preset unified_demo or unified."
        )
    if (least := config.model.boxes.least_region) is not None:
        raise ConfigError(
            f"model.boxes.least_region={least} would make boxes of pixels for the joint run alone; "
            "set model.boxes.least_region=null, so that all rows find boxes in the same way."
        )
    return config


def _check_joint(config: UnifiedRunConfig, folder: RunFolder) -> None:
    """See `check_name`; how tasks are learned one after another is no part of the joint run.

    Raises:
        RunExistsError: the name is in use and `resume=true` was not given.
        ConfigError: there is nothing to resume, or the joint run was another one.
    """
    if config.resume and folder.exists():
        kept = saved_config(folder)
        if isinstance(kept, UnifiedRunConfig):
            config = config.model_copy(update={"retention": kept.retention})
    check_name(config, folder)


def _check_sequential(config: UnifiedRunConfig) -> None:
    """Refuse to mix what has been trained one after another with what is asked for now.

    Raises:
        ConfigError: the value of a key is another one than in a run of the table.
    """
    for run in sequential_runs(config).values():
        for phase in phases_of(run):
            folder = RunFolder(phase.storage, str(phase.name))
            if not folder.exists():
                continue
            for key, old, new in differences(saved_config(folder), phase):
                raise ConfigError(
                    f"{folder.place} was started with {key}={old}, now it is {new}; give the value "
                    f"it had, or delete {run.storage}/{run.name} to have it trained again."
                )


def _publish(config: UnifiedRunConfig, folder: RunFolder, console: Console) -> None:
    """Print the table and leave it in the run's folder."""
    split = config.evaluation.splits[-1]
    single, found = outcomes(config, split)
    metrics: dict[str, str] = {task: MAIN_METRIC[task] for task in config.retention.order}
    table = RetentionTable(str(config.name), split, metrics, single, found)
    title = f"retention of run '{config.name}', split '{split}'"
    console.print(_grid(title, 1, table.headers, table.shown()))
    console.print(_grid("after each phase", 2, table.phase_headers, table.phases_shown()))
    for what, name, text in (
        ("table", "retention.csv", retention_csv(table)),
        ("after each phase", "phases.csv", phases_csv(table)),
        ("report", "retention.html", retention_page(table)),
    ):
        folder.write_text(f"{FOLDER}/{name}", text)
        console.print(f"{what:<17} {folder.place}/{FOLDER}/{name}", markup=False)


def _grid(title: str, labels: int, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A table for a terminal of 80 columns, whose first `labels` columns are text."""
    grid = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, show_edge=False)
    for place, header in enumerate(headers):
        grid.add_column(header, justify="left" if place < labels else "right")
    for row in rows:
        grid.add_row(*row)
    return grid


if __name__ == "__main__":
    sys.exit(main())
