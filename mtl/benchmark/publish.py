"""The files of a finished evaluation that people and programs read."""

from __future__ import annotations

import csv
import io
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtl.benchmark.folder import EvaluationFolder
from mtl.benchmark.plan import Plan
from mtl.benchmark.request import ArchiveKind
from mtl.conditions import CONDITIONS
from mtl.data.images import read_image
from mtl.evaluation.analysis import Analysis, TrackerAnalysis
from mtl.evaluation.calibration import Calibration
from mtl.evaluation.got10k_files import read_boxes, sequence_folder
from mtl.evaluation.one_pass import sequence_metrics
from mtl.evaluation.packing import Expected, pack_got10k, pack_trackingnet
from mtl.evaluation.result import EvaluationResult
from mtl.files import write_atomically
from mtl.report.evaluation import evaluation_page, evaluation_plots
from mtl.report.frames import Picture
from mtl.report.tracker_frames import tracker_picture

SEQUENCE_METRICS = (
    "ao", "sr_50", "sr_75", "success_auc", "precision_20", "norm_precision", "fps",
)  # fmt: skip

PICTURED = 6
"""Sequences whose frames the report shows."""
MOMENTS = (0.5, 1.0)
"""Frames shown of each, as shares of its length."""

PACKERS = {"got10k": pack_got10k, "trackingnet": pack_trackingnet}


def publish(
    folder: EvaluationFolder, plan: Plan, result: EvaluationResult, analysis: Analysis
) -> None:
    """Write evaluation.json, per_sequence.csv, plots/ and report.html, each whole or not at all."""
    numbers = json.dumps(numbers_of(result, analysis), indent=1) + "\n"
    pictures = tracked_pictures(folder, plan, result)
    write_atomically(folder.path / "per_sequence.csv", per_sequence(result).encode())
    for name, data in evaluation_plots(result, analysis).items():
        write_atomically(folder.path / "plots" / name, data)
    page = evaluation_page(result, analysis, pictures)
    write_atomically(folder.path / "report.html", page.encode())
    write_atomically(folder.path / "evaluation.json", numbers.encode())


def numbers_of(result: EvaluationResult, analysis: Analysis) -> dict[str, Any]:
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
                **_analysed(analysis.trackers[tracker.name]),
            }
            for tracker in result.trackers
        },
        "comparisons": [
            {
                "a": first,
                "b": other,
                "conditions_of": analysis.judged_by,
                "overall": _plain(comparison.overall),
                "by_condition": _plain(comparison.by_condition),
            }
            for (first, other), comparison in analysis.comparisons.items()
        ],
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def _analysed(tracker: TrackerAnalysis) -> dict[str, Any]:
    values: dict[str, Any] = {"overall": _plain(tracker.overall)}
    values["by_label"] = _plain(tracker.by_label)
    values["by_prediction"] = _plain(tracker.by_prediction)
    if tracker.head is not None:
        values["head"] = {
            "classes": list(CONDITIONS),
            "frames": tracker.head.frames,
            "metrics": tracker.head.metrics,
            "confusion": tracker.head.confusion.tolist(),
            "reliability": reliability(tracker.head.calibration),
        }
    return values


def reliability(measured: Calibration) -> list[dict[str, float]]:
    """Bins of confidence that hold answers."""
    return [
        {
            "from": float(measured.edges[place]),
            "to": float(measured.edges[place + 1]),
            "frames": int(measured.counts[place]),
            "confidence": float(measured.confidence[place]),
            "accuracy": float(measured.accuracy[place]),
        }
        for place in np.flatnonzero(measured.counts)
    ]


def _plain(value: Any) -> Any:
    """Named tuples as maps."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return value


def pack(folder: EvaluationFolder, plan: Plan, kind: ArchiveKind) -> list[Path]:
    """Write the archive for a server, one for each tracker; returns their paths.

    Raises:
        DataError: if a sequence has no results, or results that a server would refuse.
    """
    expected = [Expected(s.name, len(s.frame_uris), s.boxes_xywh[0]) for s in plan.sequences]
    packed = []
    for entrant in plan.entrants:
        path = folder.path / f"{entrant.name}_{kind}.zip"
        PACKERS[kind](folder.results, entrant.name, expected, path)
        packed.append(path)
    return packed


def tracked_pictures(
    folder: EvaluationFolder, plan: Plan, result: EvaluationResult
) -> list[Picture]:
    """Frames of a few sequences, spread evenly, with the boxes of all trackers."""
    sequences = [s for s in plan.sequences if s.name not in result.left_out]
    pictures = []
    for sequence in sequences[:: max(1, -(-len(sequences) // PICTURED))]:
        boxes = {
            tracker.name: read_boxes(
                sequence_folder(folder.results, tracker.name, sequence.name)
                / f"{sequence.name}_001.txt"
            )
            for tracker in result.trackers
        }
        length = len(sequence.frame_uris)
        for share in MOMENTS:
            place = min(round(share * length), length) - 1
            pictures.append(
                tracker_picture(
                    f"{sequence.name}, frame {place + 1} of {length}",
                    read_image(sequence.frame_uris[place], plan.data.max_pixels),
                    {name: rows[place] for name, rows in boxes.items()},
                    sequence.boxes_xywh[place] if sequence.visible[place] else None,
                )
            )
    return pictures


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
