from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mtl.errors import DataError
from mtl.report.metrics import Best, History, read_metrics


def line(epoch: int, split: str = "val", stage: str = "full", **values: Any) -> dict[str, Any]:
    return {"epoch": epoch, "stage": stage, "split": split, **values}


GOOD = json.dumps(line(1, iou=0.5))


def test_lines_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(f"{GOOD}\n{json.dumps(line(2, iou=None))}\n\n")
    assert read_metrics(path) == [line(1, iou=0.5), line(2, iou=None)]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n")
    assert read_metrics(path) == []


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"epoch": 2, "stage": "fu', "must be whole JSON"),
        ("", "must be whole JSON"),
        ("[1, 2]", "must be a map"),
        (json.dumps({"epoch": 1, "stage": "full"}), "'split' must be train, val or test, got None"),
        (json.dumps(line(1, split="dev")), "'split' must be train, val or test, got 'dev'"),
        (json.dumps({"epoch": 1, "split": "val"}), "'stage' must be a name"),
        (json.dumps({"stage": "full", "split": "val"}), "'epoch' must be a whole number"),
        (json.dumps(line(-1)), "'epoch' must be a whole number"),
        (json.dumps(line(1, iou="high")), "'iou' must be a number or null, got 'high'"),
        (json.dumps(line(1, iou=10**400)), "'iou' must be a number"),
        (json.dumps(line(1, iou=True)), "'iou' must be a number"),
        (json.dumps(line(1, confusion=[[1, 2], [3]])), "'confusion' must be a square list"),
        (json.dumps(line(1, confusion=[[0.5]])), "'confusion' must be a square list"),
        ("[" * 100_000, "must be whole JSON"),
    ],
)
def test_a_broken_line_is_named_with_its_file(tmp_path: Path, bad: str, reason: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(f"{GOOD}\n{bad}\n{GOOD}\n")
    with pytest.raises(DataError, match=rf"metrics\.jsonl, line 2: .*{reason}"):
        read_metrics(path)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"metrics\.jsonl cannot be read as text"):
        read_metrics(path)


def test_a_series_leaves_out_what_was_not_measured() -> None:
    lines = [line(1, iou=0.2), line(2), line(3, iou=None), line(4, iou=float("nan"))]
    history = History.of([*lines, line(5, iou=0.0)])
    assert history.series("val", "iou") == [(1, 0.2), (5, 0.0)]
    assert history.series("train", "iou") == []


def test_an_epoch_that_was_run_again_counts_once_with_its_last_values() -> None:
    history = History.of([line(1, iou=0.2), line(2, iou=0.3), line(2, iou=0.4)])
    assert history.series("val", "iou") == [(1, 0.2), (2, 0.4)]


def test_epochs_that_start_again_in_each_stage_stand_one_after_another() -> None:
    history = History.of([line(1, stage="head", iou=0.1), line(1, iou=0.2), line(2, iou=0.3)])
    assert history.series("val", "iou") == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert list(history.boundaries()) == [("head", 1), ("full", 2)]


def test_best_is_the_smallest_loss_and_the_largest_of_anything_else() -> None:
    losses, ious = [3.0, 1.0, 1.0, 2.0], [0.1, 0.5, 0.4, 0.5]
    lines = [line(i + 1, iou=ious[i]) | {"loss/total": losses[i]} for i in range(4)]
    history = History.of(lines)
    assert history.best("val", "loss/total") == Best(1.0, 2)
    assert history.best("val", "iou") == Best(0.5, 2)
    assert history.best("val", "accuracy") is None


def test_tracking_lines_are_no_epochs() -> None:
    history = History.of([line(1, iou=0.2), {"split": "val", "stage": "tracking", "ao": 0.5}])
    assert len(history.epochs) == 1
    assert history.tracking[0]["ao"] == 0.5


def test_the_latest_confusion_matrix_of_validation_is_found() -> None:
    history = History.of(
        [
            line(1, confusion=[[1, 0], [0, 1]]),
            line(2, confusion=[[2, 0], [0, 2]]),
            line(3),
            line(3, split="train", confusion=[[9, 0], [0, 9]]),
        ]
    )
    found = history.confusion()
    assert found is not None
    assert found[0]["epoch"] == 2
    assert found[1].tolist() == [[2, 0], [0, 2]]
