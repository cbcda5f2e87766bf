"""Online tracking in the report: scores of each split, result files of each sequence."""

from __future__ import annotations

from pathlib import Path

from mtl.evaluation.got10k_files import find_results, read_result
from mtl.report.html import Html, details, paragraph, section, table
from mtl.report.metrics import History
from mtl.report.values import MISSING, SPLIT_LABELS, label, number

SCORES = (
    "ao",
    "sr_50",
    "sr_75",
    "success_auc",
    "precision_20",
    "norm_precision",
    "fps",
    "sequences",
    "sequences_left_out",
)


def tracking_section(history: History, results: Path) -> Html:
    """Scores by split and, folded away, the sequences with their result files.

    Raises:
        DataError: if a result file is broken; names file and line.
        ShapeError: if a sequence's boxes and times differ in number.
    """
    scores = Html("")
    if history.tracking:
        names = [name for name in SCORES if any(name in line for line in history.tracking)]
        scores = Html(
            table(
                "One-pass evaluation",
                ("split", *map(label, names)),
                [
                    (SPLIT_LABELS[line["split"]], *(number(line.get(name)) for name in names))
                    for line in history.tracking
                ],
            )
            + paragraph(
                "Started on the first true box and never corrected. First frames and frames "
                "without the target do not count. AO and SR pool the frames of all sequences, "
                "the other scores are means over sequences.",
                "soft",
            )
        )
    files = _files(results)
    if not scores and files:
        scores = paragraph("No scores were written for these results.", "soft")
    return section("Online tracking", scores, files)


def _files(results: Path) -> Html:
    rows = []
    for tracker, sequence in find_results(results):
        tracked = read_result(results, tracker, sequence)
        length, seconds = len(tracked.boxes_xywh), float(tracked.seconds[1:].sum())
        speed = number((length - 1) / seconds) if seconds > 0.0 else MISSING
        rows.append((sequence, tracker, number(length), speed))
    if not rows:
        return Html("")
    headers = ("sequence", "tracker", "frames", "frames per second")
    caption = "Boxes lie in results/<tracker>/<sequence>/<sequence>_001.txt (x,y,w,h in pixels)"
    return details(f"Tracked sequences ({len(rows)})", table(caption, headers, rows))
