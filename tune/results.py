"""All trials as a table: trials.parquet, and TensorBoard's HParams."""

from __future__ import annotations

import io
import shutil
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from optuna.trial import FrozenTrial, TrialState
from tensorboardX import SummaryWriter

from mtl.files import write_atomically
from mtl.report.metrics import FINAL_STAGES
from tune.outcome import PLACE, read_outcome
from tune.parameters import Scalar
from tune.progress import STATE_WORDS
from tune.study import Study


def write_trials(study: Study) -> None:
    """Write trials.parquet: a row for each trial.

    Columns: trial, state (finished, stopped, failed), reason, seconds, epochs, samples (the cost,
    whatever the machine), objective/<expression>, parameter/<name>, final/<metric>, and lists over
    the epochs: epoch, train/<metric>, val/<metric>. Teachers that a trial trains count as well.
    """
    rows = [_row(study, trial) for trial in study.trials(*STATE_WORDS)]
    names = dict.fromkeys(name for row in rows for name in row)
    columns: dict[str, Any] = {}
    for name in names:
        column = [row.get(name) for row in rows]
        if name.startswith("parameter/") and len({type(x) for x in column if x is not None}) > 1:
            column = [None if x is None else str(x) for x in column]
        columns[name] = pa.array(column)
    file = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), file)
    write_atomically(study.folder / "trials.parquet", file.getvalue())


def _row(study: Study, trial: FrozenTrial) -> dict[str, Any]:
    run = study.space.base
    outcome = read_outcome(study.run_folder(trial.number), run)
    row: dict[str, Any] = {
        "trial": trial.number,
        "state": STATE_WORDS[trial.state],
        "reason": trial.user_attrs.get("reason"),
        "seconds": float(outcome.spent.seconds),
        "epochs": outcome.spent.epochs,
        "samples": outcome.spent.samples,
    }
    values = trial.values if trial.state is TrialState.COMPLETE else [None] * 9
    for expression, value in zip(study.goal.objectives, values, strict=False):
        row[f"objective/{expression.text}"] = value
    for name in study.space.parameters:
        row[f"parameter/{name}"] = trial.params.get(name)
    for split in ("train", "val"):
        lines = [
            line
            for line in outcome.lines
            if line["split"] == split and line["stage"] not in FINAL_STAGES
        ]
        if split == "val":
            row["epoch"] = [outcome.before + line["epoch"] for line in lines]
        for name in dict.fromkeys(name for line in lines for name in _metrics(line)):
            row[f"{split}/{name}"] = [_metrics(line).get(name) for line in lines]
    for line in outcome.lines:
        if line["stage"] in FINAL_STAGES and line["split"] == "val":
            row |= {f"final/{name}": value for name, value in _metrics(line).items()}
    return row


def _metrics(line: dict[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in line.items()
        if name not in PLACE and isinstance(value, (int, float))
    }


def write_hparams(study: Study) -> None:
    """Write tensorboard/: every finished or stopped trial's values and metrics for HParams."""
    folder = study.folder / "tensorboard"
    shutil.rmtree(folder, ignore_errors=True)
    with SummaryWriter(str(folder)) as writer:
        for trial in study.trials(TrialState.COMPLETE, TrialState.PRUNED):
            outcome = read_outcome(study.run_folder(trial.number), study.space.base)
            shown = {name: x for name, x in outcome.metrics.items() if "/" not in name}
            values: list[float] = trial.values if trial.state is TrialState.COMPLETE else []
            for expression, value in zip(study.goal.objectives, values, strict=False):
                shown[f"objective {expression.text}"] = value
            writer.add_hparams(
                {name: _plain(value) for name, value in trial.params.items()},
                {f"search/{name}": float(value) for name, value in shown.items()},
                name=f"trial-{trial.number:05d}",
                global_step=outcome.spent.epochs,
            )


def _plain(value: Scalar) -> bool | float | str:
    return "none" if value is None else value
