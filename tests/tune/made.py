"""Searches whose runs were not trained: their run folders hold the lines that a run would write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tune.check import checked
from tune.load import load
from tune.study import Study


def study_of(folder: Path, *words: str, preset: str = "demo") -> Study:
    """A study in a folder, its first trial asked for; of the demo, stopped half-way."""
    halfway = ["halving.rungs=[0.5]"] if preset == "demo" else []
    search = load(preset, [f"name={folder.name}", f"storage={folder.parent}", *halfway, *words])
    space, goal = checked(search)
    folder.mkdir(exist_ok=True)
    study = Study(folder, search, space, goal)
    study.enqueue_first([])
    return study


def lines_of(values: list[float], name: str = "iou", **final: float) -> list[dict[str, Any]]:
    """Validation lines of a run, one an epoch, and its final evaluation."""
    lines: list[dict[str, Any]] = []
    for epoch, value in enumerate(values, start=1):
        place = {"epoch": epoch, "stage": "full", "step": 16 * epoch, "samples": 256 * epoch}
        seconds = {"seconds": 2.5 * epoch}
        lines.append({**place, "split": "train", **seconds, "loss/total": 1 / epoch})
        lines.append({**place, "split": "val", **seconds, name: value, "loss/total": 2 / epoch})
    if final:
        end = {**lines[-1], "stage": "tracking", "split": "val"}
        lines.append({k: v for k, v in end.items() if k != name} | final)
    return lines


def write_lines(run_folder: Path, lines: list[dict[str, Any]]) -> None:
    """Put lines into a run folder."""
    run_folder.mkdir(parents=True, exist_ok=True)
    (run_folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def carry_on(study: Study, number: int, values: list[float], **final: float) -> None:
    """Tell a trial's epochs one by one, and end it as the study wants."""
    for epoch, value in enumerate(values, start=1):
        write_lines(study.run_folder(number), lines_of(values[:epoch]))
        if study.told(number, epoch, {"iou": value, "epoch": epoch}):
            study.stopped(number)
            return
    write_lines(study.run_folder(number), lines_of(values, **final))
    study.finished(number)
