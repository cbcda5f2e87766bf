"""The files of a finished evaluation that people and programs read."""

from __future__ import annotations

import csv
import io
import json
import platform
from typing import Any

import numpy as np
import torch

from mtl.benchmark.folder import EvaluationFolder
from mtl.evaluation.one_pass import sequence_metrics
from mtl.evaluation.result import EvaluationResult
from mtl.files import write_atomically
from mtl.report.evaluation import evaluation_page, evaluation_plots

SEQUENCE_METRICS = (
    "ao", "sr_50", "sr_75", "success_auc", "precision_20", "norm_precision", "fps",
)  # fmt: skip


def publish(folder: EvaluationFolder, result: EvaluationResult) -> None:
    """Write evaluation.json, per_sequence.csv, plots/ and report.html, each whole or not at all."""
    numbers = json.dumps(numbers_of(result), indent=1) + "\n"
    write_atomically(folder.path / "per_sequence.csv", per_sequence(result).encode())
    for name, data in evaluation_plots(result).items():
        write_atomically(folder.path / "plots" / name, data)
    write_atomically(folder.path / "report.html", evaluation_page(result).encode())
    write_atomically(folder.path / "evaluation.json", numbers.encode())


def numbers_of(result: EvaluationResult) -> dict[str, Any]:
    """Every number of an evaluation, as plain values."""
    return {
        "data": {
            **result.about,
            "sequences": result.num_sequences,
            "frames": result.num_frames,
            "left_out": result.left_out,
            "skipped": result.skipped,
        },
        "trackers": {
            tracker.name: {
                "source": tracker.source,
                "digest": tracker.digest,
                "metrics": tracker.summary.metrics,
            }
            for tracker in result.trackers
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def per_sequence(result: EvaluationResult) -> str:
    """CSV: a line for each tracker and sequence; one that was left out has no numbers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("tracker", "sequence", "frames", *SEQUENCE_METRICS, "left_out"))
    for tracker in result.trackers:
        for score in tracker.scores:
            metrics = sequence_metrics(score)
            values = [
                f"{metrics[name]:.6f}" if name in metrics else "" for name in SEQUENCE_METRICS
            ]
            reason = result.left_out.get(score.name, "")
            writer.writerow((tracker.name, score.name, score.num_frames, *values, reason))
        done = {score.name for score in tracker.scores}
        for name in (name for name in result.left_out if name not in done):
            blank = [""] * len(SEQUENCE_METRICS)
            writer.writerow((tracker.name, name, 0, *blank, result.left_out[name]))
    return text.getvalue()
