"""One table of runs: `python tests/benchmarks/unified_table.py RUN ... --data ROOT --out OUT`.

Evaluates finished runs and their teachers with `mtl evaluate` on the test split, detection also on
test and extra images together, and prints Markdown: each number with its 95 % bootstrap interval.
ROOT holds `mini_coco_det`, `mini_voc_seg` and `imagenette-160`. Evaluations that are there already
are read, so a table costs its networks' passes once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl.__main__ import main as mtl

COLUMNS = (
    ("top1", "top-1", "test"),
    ("miou", "mIoU", "test"),
    ("miou_merged", "mIoU, background = first class", "test"),
    ("map", "mAP", "test"),
    ("map_50", "mAP50", "test"),
    ("map", "mAP, test+extra", "extra"),
    ("map_50", "mAP50, test+extra", "extra"),
)
"""Metric, title, evaluation."""


def evaluated(runs: Sequence[str], data: Path, out: Path) -> dict[str, dict[str, Any]]:
    """Both evaluations of all runs and, where they have some, their teachers."""
    det = f"data.det_root={data / 'mini_coco_det'}"
    words = {
        "test": [
            det,
            f"data.seg_root={data / 'mini_voc_seg'}",
            f"data.cls_root={data / 'imagenette-160'}",
        ],
        "extra": [det, "data.det_splits.test=test+extra"],
    }
    found: dict[str, dict[str, Any]] = {}
    for name, more in words.items():
        if name == "extra":  # of those that find boxes
            models = found["test"]["models"].values()
            runs = [one["source"] for one in models if "map" in one["metrics"]]
        file = out / name / "evaluation.json"
        if not file.is_file() and (
            status := mtl(["evaluate", *runs, *more, "--split", "test", "--out", str(out / name)])
        ):
            sys.exit(status)
        found[name] = json.loads(file.read_text())
    return found


def rows(found: dict[str, dict[str, Any]]) -> Iterator[list[str]]:
    """A row for the teachers of each model, then one for itself."""
    for name in found["test"]["models"]:
        models = {s: one["models"][name] for s, one in found.items() if name in one["models"]}
        taught = {
            split: {
                metric: value
                for teacher in model["teachers"].values()
                for metric, value in teacher.items()
                if isinstance(value, dict)
            }
            for split, model in models.items()
        }
        if any(taught.values()):
            cells = (cell(taught.get(s, {}).get(m)) for m, _, s in COLUMNS)
            yield [f"{name}: teachers", *cells, ""]
        own = {split: model["metrics"] for split, model in models.items()}
        delta = models["test"]["delta_m"]
        yield [name, *(cell(own.get(s, {}).get(m)) for m, _, s in COLUMNS), cell(delta)]


def cell(value: dict[str, float | None] | None) -> str:
    """A value with its interval."""
    if value is None or value["value"] is None:
        return ""
    low, high = value["low"], value["high"]
    told = f"{value['value']:.3f}"
    return told if low is None or high is None else f"{told} ({low:.3f} to {high:.3f})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", help="run folders, of which each name becomes a row")
    parser.add_argument("--data", type=Path, required=True, help="folder of the three sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of the evaluations")
    options = parser.parse_args(arguments)
    titles = ["model", *(title for _, title, _ in COLUMNS), "delta_m"]
    print("| " + " | ".join(titles) + " |")
    print("| --- " * len(titles) + "|")
    for row in rows(evaluated(options.runs, options.data, options.out)):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
