"""The report of a run of the unified model, from its metrics lines."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cluster.progress import epoch_lines
from mtl.config.load import load, to_yaml
from mtl.families import family_of
from mtl.report.contents import UNIFIED
from mtl.report.write import write_report
from tests.report.test_write import Page


def lines_of(epoch: int, seg_weight: float) -> list[dict[str, Any]]:
    common = {"epoch": epoch, "stage": "joint", "step": 10 * epoch, "samples": 80 * epoch}
    losses = {
        f"loss/{name}": 1.0 / epoch
        for name in ("total", "detection", "segmentation", "classification", "distillation_det")
    }
    weights = {"weight/det": 0.9 - seg_weight, "weight/seg": seg_weight, "weight/cls": 0.1}
    scores = {"map": 0.01 * epoch, "miou": 0.2 * epoch, "top1": 0.3, "score": 0.1 * epoch}
    train = {**common, **losses, **weights, "split": "train", "learning_rate": 1e-3, "seconds": 1.0}
    return [train, {**common, **losses, **scores, "split": "val", "seconds": 1.0}]


def final_line() -> dict[str, Any]:
    scores: dict[str, Any] = {"map": 0.0123, "map_low": 0.0045, "map_high": 0.0211, "miou": 0.5}
    scores |= {"teacher/map": 0.02, "drop/map": 0.385, "drop/map_low": 0.1, "drop/map_high": 0.5}
    scores |= {"delta_m": -0.385, "images/det": 40, "map_misread_boxes": 0.07}
    return {"epoch": 2, "stage": "evaluation", "split": "test", **scores}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("run")
    (folder / "config.yaml").write_text(to_yaml(load("unified_demo", ["name=harbour"])))
    lines = [*lines_of(1, 0.3), *lines_of(2, 0.031), final_line()]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return write_report(folder, [], UNIFIED).read_text(encoding="utf-8")


def tile(document: str, title: str) -> tuple[str, ...]:
    found = re.search(rf'{title}.*?class="value">(.*?)<.*?class="when">(.*?)<', document)
    assert found is not None
    return found.groups()


def test_tiles_tell_the_best_of_each_task_and_the_change_against_the_teachers(
    document: str,
) -> None:
    assert tile(document, "Best mAP, validation") == ("0.020", "epoch 2")
    assert tile(document, "Best mIoU, validation") == ("0.400", "epoch 2")
    assert tile(document, "Best top-1, validation") == ("0.300", "epoch 1")
    assert tile(document, r"Average change against teachers \(Δm\)") == (
        "-0.385",
        "evaluation, test images",
    )


def test_epochs_of_the_teachers_are_not_waited_for(document: str) -> None:
    epochs = load("unified_demo", []).stages["joint"].epochs
    assert Page(document).has(f"2 of {epochs}")


@pytest.mark.parametrize("train_type", ["seg", "sequential"])
def test_a_run_of_one_task_does_not_wait_for_the_joint_stage(
    train_type: str, tmp_path: Path
) -> None:
    config = load("unified_demo", ["name=harbour", f"train_type={train_type}"])
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    line = {"epoch": 1, "stage": "teachers", "split": "train", "step": 1, "loss/total": 1.0}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    page = Page(write_report(tmp_path, [], family_of(config).contents).read_text("utf-8"))
    assert page.has(f"1 of {config.stages['teachers'].epochs}")
    assert not page.has("→ joint:")


def test_final_scores_have_intervals_and_drops_and_say_which_number_flatters(document: str) -> None:
    page = Page(document)
    assert page.has("Final evaluation")
    assert page.has("0.012 [0.004, 0.021]")
    assert page.has("+38.5 % [+10.0, +50.0]")
    assert page.has("mAP of misread boxes is what the published programs print")
    assert not page.has("tracking")


def test_images_that_could_not_be_read_are_told_where_there_are_any(
    document: str, tmp_path: Path
) -> None:
    assert not Page(document).has("Images not readable")
    (tmp_path / "config.yaml").write_text(to_yaml(load("unified_demo", ["name=harbour"])))
    lines = [*lines_of(1, 0.3), final_line(), {**final_line(), "split": "val", "skipped": 3}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    shown = write_report(tmp_path, [], UNIFIED).read_text(encoding="utf-8")
    assert re.search("Images not readable</th><td>0</td><td>3</td>", shown)


def test_every_loss_and_the_task_weights_have_a_chart(document: str) -> None:
    described = [str(x.get("alt")) for name, x in Page(document).elements if name == "img"]
    starts = {text.split(" by epoch")[0] for text in described}
    assert starts == {
        "Total loss", "Detection loss", "Segmentation loss", "Classification loss",
        "Distillation loss, detection", "mAP", "mIoU", "Top-1 accuracy", "Mean of the tasks",
        "Learning rate", "Task weights",
    }  # fmt: skip


def test_a_task_that_nearly_vanished_is_flagged_in_report_and_terminal(document: str) -> None:
    assert Page(document).has("The weight of task seg fell to 0.031 in epoch 2")
    before, after = (epoch_lines(lines_of(2, weight)[:1], 2)[0] for weight in (0.05, 0.031))
    assert "only" not in before
    assert "weight of seg only 0.031" in after
