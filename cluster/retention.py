"""Compare ways of learning: `python cluster/retention.py [PRESET|FILE.yaml] [key=value ...]`.

With no arguments: the unified_demo preset on embedded scenes. Trains the joint run with its
teachers as `cluster/train.py` does, then the same tasks one after another with each method of
retention, and leaves one table.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / "pyproject.toml").exists() and str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a script, Python looks for packages in cluster/ only

import cluster.settings  # noqa: F401 - before Ray

# isort: split
import ray
from rich.console import Console
from rich.table import Table

from cluster.job import connect, run_training, train_runs
from cluster.preflight import check_init, check_name, check_resources, with_gpus
from cluster.progress import Board, Display
from cluster.summary import publish_report
from cluster.train import resolve
from mtl.config.unified_run import UnifiedRunConfig
from mtl.errors import ConfigError, MtlError
from mtl.evaluation.unified.result import MAIN_METRIC
from mtl.families import family_of
from mtl.families.retention import FOLDER, outcomes, sequential_runs
from mtl.report.retention import RetentionTable, retention_csv, retention_page
from mtl.training.run_folder import RunFolder

USAGE = """usage: python cluster/retention.py [PRESET|FILE.yaml] [section.key=value ...]

Trains the unified model on all tasks at once, with teachers, and on one task after another: with
nothing against forgetting, with replay, EWC and LwF. Leaves a table of what each remembers in
runs/NAME/retention/. With no arguments: the unified_demo preset on embedded scenes.

name=NAME resume=true goes on where it was stopped, or begins from the joint run of that name.

keys (all keys: python -m mtl config unified_demo):
  retention.order=[seg, det, cls]   the order in which tasks are learned
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
    console = Console(highlight=False, soft_wrap=True)
    started_cluster = False
    try:
        config = _joint(words)
        folder = RunFolder(config.storage, str(config.name))
        runs = sequential_runs(config)
        check_name(config, folder)
        check_init(config)
        console.print(f"run '{config.name}' in {folder.path}", markup=False)
        indices = family_of(config).indices()
        for run in runs.values():
            family_of(run).indices()  # refuses what would fail only after the joint run
        started_cluster = connect(config)
        config = cast(UnifiedRunConfig, with_gpus(config))
        check_resources(config)
        if not folder.finished():
            run_training(config, indices, folder, console)
            publish_report(folder)
        board = Board.remote()  # type: ignore[attr-defined]
        with Display(console, board):
            train_runs(list(sequential_runs(config).values()), board, console)
        _publish(config, folder, console)
        return 0
    except MtlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command with resume=true and this name goes on.", file=sys.stderr)
        return 130
    finally:
        if started_cluster:
            ray.shutdown()


def _joint(words: Sequence[str]) -> UnifiedRunConfig:
    """The joint run that these words ask for.

    Raises:
        ConfigError: it is of another family, or the words are wrong.
    """
    config = resolve(words, preset="unified_demo")
    if not isinstance(config, UnifiedRunConfig):
        raise ConfigError(
            f"model.family must be unified, whose tasks can be learned one after another, got "
            f"{config.model.family}; give the preset unified_demo or unified."
        )
    return config


def _publish(config: UnifiedRunConfig, folder: RunFolder, console: Console) -> None:
    """Print the table and leave it in the run's folder."""
    split = config.evaluation.splits[-1]
    single, found = outcomes(config, split)
    metrics: dict[str, str] = {task: MAIN_METRIC[task] for task in config.retention.order}
    table = RetentionTable(str(config.name), split, metrics, single, found)
    shown = Table(title=f"retention of run '{config.name}', split '{split}'", title_justify="left")
    for place, header in enumerate(table.headers):
        shown.add_column(header, justify="right" if place else "left")
    for row in table.shown():
        shown.add_row(*row)
    console.print(shown)
    for what, name, text in (
        ("table", "retention.csv", retention_csv(table)),
        ("report", "retention.html", retention_page(table)),
    ):
        folder.write_text(f"{FOLDER}/{name}", text)
        console.print(f"{what:<17} {folder.path}/{FOLDER}/{name}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
