"""What a finished run leaves on the terminal: its numbers and where everything lies."""

from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mtl.config.load import load
from mtl.config.schema import RunConfig
from mtl.families import family_of
from mtl.families.report import report_run
from mtl.report.metrics import FINAL_STAGES
from mtl.training.run_folder import RunFolder

ROWS = (
    *("loss/total", "iou", "accuracy", "balanced_accuracy", "ao", "sr_50", "sr_75", "fps"),
    *("map", "map_50", "miou", "miou_merged", "top1", "score"),
    *("drop/map", "drop/miou", "drop/top1", "delta_m"),
)
_DRAWING = threading.Lock()


def final_table(folder: RunFolder, config: RunConfig, console: Console) -> None:
    """Print the last validation and tracking numbers and the paths of the run."""
    history = [json.loads(line) for line in folder.read_text("metrics.jsonl").splitlines()]
    table = Table(title=f"run '{config.name}'", title_justify="left")
    table.add_column("metric")
    columns = columns_of(history)
    for label, _ in columns:
        table.add_column(label, justify="right")
    for name in ROWS:
        if any(name in line for _, line in columns):
            values = (line.get(name) for _, line in columns)
            table.add_row(name, *("–" if v is None else f"{v:.3f}" for v in values))
    console.print(table)
    for what, name in (
        ("best weights", "model.safetensors"),
        ("metrics", "metrics.jsonl"),
        ("curves", "tensorboard"),
        ("results", "results"),
        ("report", "report.html"),
    ):
        console.print(f"{what:<17} {folder.place}/{name}", markup=False)


def publish_report(folder: RunFolder) -> None:
    """Write report.html into the run folder, through a local copy where the folder is remote.

    Threads take turns: matplotlib draws for one at a time.
    """
    with _DRAWING:
        _publish(folder)


def _publish(folder: RunFolder) -> None:
    if folder.local:
        report_run(folder.local)
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        config = folder.download(copy, "config.yaml")
        wanted = family_of(load(str(config))).pictures_need
        for name in ("metrics.jsonl", *wanted):
            if folder.has(name):
                folder.download(copy, name)
        folder.download_tree(copy, "results")
        folder.write_text("report.html", report_run(copy).read_text(encoding="utf-8"))


def columns_of(history: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The last line of each split in training, then each split tracked, with their labels."""
    latest: dict[str, dict[str, Any]] = {}
    for line in history:
        if line["stage"] in FINAL_STAGES:
            latest[f"{line['stage']} {line['split']}"] = line
        else:
            latest[f"{line['split']}, epoch {line['epoch']}"] = line
            for label in [x for x in latest if x.startswith(f"{line['split']}, ")][:-1]:
                del latest[label]
    return list(latest.items())
