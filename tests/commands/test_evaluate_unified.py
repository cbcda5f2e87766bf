"""`mtl evaluate` of unified models as a user runs it, in this process."""

from __future__ import annotations

import csv
import json
import pickle
import re
from pathlib import Path
from typing import Any

import cv2
import fsspec
import numpy as np
import pytest
import torch

from mtl.__main__ import main
from mtl.config.load import load
from mtl.families import family_of
from mtl.families.unified import UnifiedFamily
from mtl.families.unified_answering import Answering, Answers, Block
from mtl.tracking.finished_model import read_model
from tests.benchmark.small_evaluation import write_model
from tests.data.unified.set_files import box, write_coco
from tests.families.small_unified import CLASSES, SMALL, write_classes, write_unified


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, the first with a teacher of classes in its folder, evaluated in `out`."""
    place = tmp_path_factory.mktemp("place")
    one = write_unified(place / "one", 0)
    write_unified(one / "teachers" / "cls", 2, "train_type=cls")
    write_unified(place / "two", 1)
    assert evaluate(place, "out", "one", "two") == 0
    return place


def evaluate(place: Path, out: str, *words: str) -> int:
    models = [str(place / word) if (place / word).exists() else word for word in words]
    return main(["evaluate", *models, "--out", str(place / out)])


def write_boxes(root: Path, split: str) -> Path:
    """A detection set with a box of each class in one image."""
    entries = [box(10, (5, 5, 20, 20), category) for category in range(4)]
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES["det"])]
    return write_coco(root, entries, split=split, categories=categories)


def numbers(place: Path, out: str = "out") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((place / out / "evaluation.json").read_text())
    return content


def test_every_number_stands_in_one_file_with_its_interval_and_rule(place: Path) -> None:
    found = numbers(place)
    assert found["split"] == "test"
    assert {task: one["images"] for task, one in found["data"].items()} == {
        "det": 18, "seg": 18, "cls": 18,
    }  # fmt: skip
    assert list(found["models"]) == ["one", "two"]
    metrics = found["models"]["one"]["metrics"]
    whole = {"map", "map_50", "map_75", "map_misread_boxes", "miou", "miou_merged", "top1"}
    assert whole <= metrics.keys()
    assert found["rules"].keys() == whole
    assert all(one["low"] <= one["value"] <= one["high"] for one in metrics.values())
    assert {f"ap/{name}" for name in CLASSES["det"]} <= metrics.keys()
    assert np.sum(found["models"]["one"]["class_confusion"]) == 18
    assert np.sum(found["models"]["one"]["pixel_confusion"]) == 18 * 64 * 64


def test_the_teacher_in_the_run_folder_is_found_and_the_second_model_has_none(place: Path) -> None:
    one, two = numbers(place)["models"].values()
    assert list(one["teachers"]) == ["cls"]
    assert one["teachers"]["cls"]["source"].endswith("one/teachers/cls")
    teacher, mine = one["teachers"]["cls"]["top1"]["value"], one["metrics"]["top1"]["value"]
    drop = one["teachers"]["cls"]["drop"]["value"]
    assert drop == (None if teacher == 0 else pytest.approx((teacher - mine) / teacher))
    assert two["teachers"] == {}
    assert two["delta_m"] is None


def test_two_models_are_compared_on_the_same_images(place: Path) -> None:
    (comparison,) = numbers(place)["comparisons"]
    assert (comparison["a"], comparison["b"]) == ("one", "two")
    one, two = (model["metrics"] for model in numbers(place)["models"].values())
    for name, entry in comparison["differences"].items():
        assert entry["value"] == pytest.approx(two[name]["value"] - one[name]["value"])
        assert entry["verdict"] in ("better", "worse", "no difference")


def test_each_image_has_a_line_and_results_are_for_other_programs(place: Path) -> None:
    with open(place / "out" / "per_image.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3 * 18
    right = [float(r["value"]) for r in rows if (r["model"], r["task"]) == ("one", "cls")]
    assert np.mean(right) == pytest.approx(
        numbers(place)["models"]["one"]["metrics"]["top1"]["value"]
    )
    files = {path.name for path in (place / "out" / "results" / "two" / "test").iterdir()}
    assert files == {"detections.json", "pixels.csv", "classes.csv", "per_image.csv"}


def test_the_report_shows_classes_teachers_and_pictures(place: Path) -> None:
    page = (place / "out" / "report.html").read_text()
    for title in ("Models", "Beside the teachers", "Comparison", "Detection", "Segmentation"):
        assert f"<h2>{title}</h2>" in page
    assert page.count("<img") == 2 * 3 * 6
    assert "boxes in" in page
    assert "mIoU, 4 classes" in page
    assert "mIoU, 3 classes" in page
    assert "corner coordinates read as corner and size" in page


def test_a_run_evaluates_its_best_weights_to_the_same_numbers(place: Path) -> None:
    config = load("unified_demo", [*SMALL, "name=one", "loss.distillation.weight=0"])
    family, cpu = family_of(config), torch.device("cpu")
    index, model = family.indices().final["test"], read_model(place / "one").model
    shares = [family.evaluate_share(model, index, cpu, rank, 2, place / "run") for rank in (0, 1)]
    metrics = family.summarize(index, "test", [*shares[0], *shares[1]], place / "run")
    expected = numbers(place)["models"]["one"]["metrics"]
    for name in ("map", "map_50", "miou", "miou_merged", "top1"):
        assert metrics[name] == expected[name]["value"]
        assert metrics[f"{name}_low"] == expected[name]["low"]
    same = Path("one/test/per_image.csv")
    assert (place / "run" / same).read_bytes() == (place / "out" / "results" / same).read_bytes()


@pytest.fixture(scope="module")
def taught(place: Path) -> tuple[UnifiedFamily, list[str]]:
    """A run with the model `one`, and its teachers: of larger images, and other boxes kept."""
    large = "data.sizes={det: 96, seg: 96, cls: 96, cls_short_side: 96}"
    other = "model.boxes.max_boxes=5"
    teachers = {
        task: write_unified(place / f"taught-{task}", seed, f"train_type={task}", large, other)
        for seed, task in enumerate(("det", "seg", "cls"), start=5)
    }
    words = [f"teachers.{task}={folder}" for task, folder in teachers.items()]
    family = family_of(load("unified_demo", [*SMALL, "name=one", *words]))
    options = [w for task, folder in teachers.items() for w in ("--teacher", f"{task}={folder}")]
    assert isinstance(family, UnifiedFamily)
    return family, options


def test_a_run_and_the_command_say_the_same_of_a_teacher_of_other_sizes(
    place: Path, taught: tuple[UnifiedFamily, list[str]]
) -> None:
    family, options = taught
    index, model = family.indices().final["test"], read_model(place / "one").model
    found = family.evaluate_share(model, index, torch.device("cpu"), 0, 1, place / "taught")
    metrics = family.summarize(index, "test", found, place / "taught")
    assert evaluate(place, "beside", "one", *options) == 0
    (one,) = numbers(place, "beside")["models"].values()
    for task, name in (("det", "map"), ("seg", "miou"), ("cls", "top1")):
        assert metrics[f"teacher/{name}"] == one["teachers"][task][name]["value"]
        assert metrics.get(f"drop/{name}") == one["teachers"][task]["drop"]["value"]


def test_a_run_reads_its_teachers_once_and_does_not_send_them_about(
    place: Path, taught: tuple[UnifiedFamily, list[str]]
) -> None:
    family, index = UnifiedFamily(taught[0].config), taught[0].indices().final["test"]
    model, cpu = read_model(place / "one").model, torch.device("cpu")
    before = len(pickle.dumps(family))
    first = family.evaluate_share(model, index, cpu, 0, 1, place / "once")
    assert len(pickle.dumps(family)) == before
    places = [Path(str(family.config.teachers.path(task))) for task in ("det", "seg", "cls")]
    for folder in places:
        folder.rename(folder.with_suffix(".away"))
    again = family.evaluate_share(model, index, cpu, 0, 1, place / "once")
    for folder in places:
        folder.with_suffix(".away").rename(folder)
    assert len(first) == len(again)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.answers.values, two.answers.values)


def test_an_interrupted_evaluation_goes_on_after_the_last_whole_task(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Block] = []
    answer = Answering.answer

    def counted(self: Answering, block: Block) -> Answers:
        if block.task == "cls" and not done:
            raise KeyboardInterrupt
        asked.append(block)
        return answer(self, block)

    monkeypatch.setattr(Answering, "answer", counted)
    done = False
    assert evaluate(place, "again", "two") == 130
    assert {block.task for block in asked} == {"det", "seg"}
    done = True
    asked.clear()
    assert evaluate(place, "again", "two") == 0
    assert "2 of 3 tasks of models are answered already" in capsys.readouterr().out
    answered = [block for block in asked if block.last - block.first > 1]  # others are drawn
    assert [block.task for block in answered] == ["cls", "cls"]
    again, before = numbers(place, "again")["models"]["two"], numbers(place)["models"]["two"]
    assert again["metrics"] == before["metrics"]


def failed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["evaluate", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ONE", "TRACKER"], "is a tracker of family hiptrack among unified models"),
        (["ONE", "nowhere"], "nowhere.* cannot be read"),
        (["nowhere", "data.det_root=SET"], "nowhere.* cannot be read"),
        (["nowhere", "elsewhere", "--teacher", "det=ONE"], "nowhere.* cannot be read"),
        (["ONE", "--baseline", "csrt"], "--baseline is of trackers"),
        (["ONE", "--pack", "got10k"], "--pack is of trackers"),
        (["ONE", "--layout", "otb"], "--layout is of trackers"),
        (["ONE", "--max-sequences", "3"], "--max-sequences is of trackers"),
        (["ONE", "--conditions", "labels"], "--conditions is of trackers"),
        (["TRACKER", "--teacher", "det=ONE"], "--teacher is of unified models"),
        (["ONE", "--teacher", "det"], "--teacher must be det=MODEL, seg=MODEL or cls=MODEL"),
        (["ONE", "--teacher", "box=x"], "--teacher must be det=MODEL"),
        (["ONE", "--teacher", "det=nowhere"], "nowhere.* cannot be read"),
        (
            ["ONE", "--teacher", "det=ONE", "--teacher", "det=other"],
            "--teacher det is given twice, as .*one and other; a task has one teacher",
        ),
        (
            ["ONE", "data.cls_root=CLASSES", "--teacher", "det=ONE"],
            "--teacher det=.*one has no det data to answer here; set data.det_root",
        ),
        (
            ["SEG", "--teacher", "det=nowhere"],
            "--teacher det=nowhere teaches no model that is named here, for none learned det",
        ),
        (
            ["SEG", "--teacher", "seg=nowhere"],
            "--teacher seg=nowhere is for models of several tasks",
        ),
        (["ONE", "--split", "holdout"], "--split must be train, val or test, got 'holdout'"),
        (["ONE", "data.root=x"], "unknown key 'data.root'.*did you mean 'data"),
        (["ONE", "data.det_root=/nowhere"], "/nowhere"),
        (["ONE", "ONE"], "the model 'one' is named twice|is named twice"),
        (["MORE"], "has model.num_det_classes=9, but the det data here need 4"),
        (["OTHER"], "class 0 of the det data must be 'ship' as for the model"),
        (["SEG", "data.cls_root=CLASSES"], "answers seg, for which there is no data here"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    stand_for = {"ONE": str(place / "one"), "det=ONE": f"det={place / 'one'}"}
    if "TRACKER" in words:
        stand_for["TRACKER"] = str(write_model(tmp_path / "tracker"))
    if "MORE" in words:
        more = write_unified(tmp_path / "more", 0, "model.num_det_classes=9")
        stand_for["MORE"] = str(more)
    if "OTHER" in words:
        classes = {**CLASSES, "det": ["ship", *CLASSES["det"][1:]]}
        stand_for["OTHER"] = str(write_unified(tmp_path / "other", 0, classes=classes))
    if "SEG" in words:
        stand_for["SEG"] = str(write_unified(tmp_path / "seg", 0, "train_type=seg"))
    if "data.cls_root=CLASSES" in words:
        write_classes(tmp_path / "set")
        stand_for["data.cls_root=CLASSES"] = f"data.cls_root={tmp_path / 'set'}"
    error = failed(capsys, *(stand_for.get(w, w) for w in words), "--out", str(tmp_path / "out"))
    assert re.search(message, error), error
    assert not (tmp_path / "out").exists()


def test_images_that_cannot_be_read_stop_it_or_are_left_out_for_all(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_classes(tmp_path / "set", broken=2)
    words = [
        str(place / "one"),
        f"data.cls_root={tmp_path / 'set'}",
        "--out",
        str(tmp_path / "out"),
    ]
    assert "0.png" in failed(capsys, *words)
    assert main(["evaluate", *words, "data.on_error=skip"]) == 0
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert list(found["data"]) == ["cls"]
    left_out = found["data"]["cls"]["unreadable"] + sum(found["skipped"].values())
    assert (found["data"]["cls"]["images"], left_out) == (10, 2)
    assert np.sum(found["models"]["one"]["class_confusion"]) == 10


def test_splits_and_annotations_are_called_as_in_the_data_of_the_run(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("data.det_splits.test=val2017", "data.det_annotations=labels/{split}.json")
    model = str(write_unified(tmp_path / "model", 0, "data.det_root=/gone", *names))
    root = write_boxes(tmp_path / "set", "val2017")
    (root / "annotations").rename(root / "labels")
    (root / "labels" / "instances_val2017.json").rename(root / "labels" / "val2017.json")
    assert evaluate(tmp_path, "real", model, f"data.det_root={root}") == 0
    assert numbers(tmp_path, "real")["data"]["det"]["split"] == "val2017"
    other = [f"data.det_root={root}", "data.det_splits.test=minival"]
    assert "minival" in failed(capsys, model, *other, "--out", str(tmp_path / "other"))
    assert evaluate(tmp_path, "scenes", model) == 0
    assert numbers(tmp_path, "scenes")["data"]["det"]["split"] == "test"


def test_regions_are_boxes_also_where_only_boxes_are_evaluated(tmp_path: Path) -> None:
    classes = CLASSES | {"seg": ["background", *CLASSES["det"][:3]]}
    kinds = {
        "regions": ["model.boxes.least_region=0.01"],
        "phase": ["model.boxes.least_region=0.01", "train_type=sequential"],
        "cells": [],
    }
    models = [
        str(write_unified(tmp_path / name, 1, *words, classes=classes))
        for name, words in kinds.items()
    ]
    root = write_boxes(tmp_path / "set", "test")
    assert evaluate(tmp_path, "boxes", *models, f"data.det_root={root}") == 0

    def boxes(name: str) -> list[Any]:
        file = tmp_path / "boxes" / "results" / name / "test" / "detections.json"
        found: list[Any] = json.loads(file.read_text())
        return found

    assert boxes("phase") == boxes("cells")
    whole = [one["bbox"] for one in boxes("regions") if one["bbox"][2:] == [64.0, 48.0]]
    assert whole == 4 * [[0.0, 0.0, 64.0, 48.0]]
    assert not any(one["bbox"] in whole for one in boxes("cells"))


def test_answers_to_files_that_have_changed_are_not_used_again(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_classes(tmp_path / "set", broken=2)
    words = [f"data.cls_root={tmp_path / 'set'}", "data.on_error=skip"]

    def images(*more: str) -> int:
        assert evaluate(tmp_path, "out", str(place / "one"), *words, *more) == 0
        return int(numbers(tmp_path)["data"]["cls"]["images"])

    assert images() == 10
    write_classes(tmp_path / "set")
    capsys.readouterr()
    assert images() == 12
    assert "answered already" not in capsys.readouterr().out
    assert images() == 12
    assert "2 of 2 tasks of models are answered already" in capsys.readouterr().out
    large = np.zeros((100, 100, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "set" / "test" / CLASSES["cls"][1] / "2.png"), large)
    assert images() == 12
    assert images("data.max_pixels=9999") == 11


def test_nothing_is_kept_where_the_store_does_not_tell_of_changes(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_classes(tmp_path / "set")
    fsspec.filesystem("memory").put(str(tmp_path / "set"), "/mtl-untold", recursive=True)
    for _ in range(2):
        root = "data.cls_root=memory://mtl-untold"
        assert evaluate(tmp_path, "out", str(place / "one"), root) == 0
        assert "answered already" not in capsys.readouterr().out
    assert not (tmp_path / "out" / "answers").exists()


def test_a_folder_of_another_evaluation_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(place / "out")]
    error = failed(capsys, str(place / "two"), *out)
    assert "holds the evaluation of 'one'" in error
    error = failed(capsys, str(place / "one"), str(place / "two"), *out, "--split", "val")
    assert "holds results on other data (split test" in error
    (place / "full").mkdir(exist_ok=True)
    (place / "full" / "letter.txt").write_text("mine")
    error = failed(capsys, str(place / "two"), "--out", str(place / "full"))
    assert "is not empty and no folder of an evaluation" in error


def test_a_named_teacher_takes_the_place_of_a_found_one(place: Path) -> None:
    teachers = ["--teacher", f"cls={place / 'two'}", "--teacher", f"seg={place / 'one'}"]
    assert evaluate(place, "named", "one", *teachers) == 0
    (one,) = numbers(place, "named")["models"].values()
    assert one["teachers"]["cls"]["source"] == str(place / "two")
    assert one["teachers"]["seg"]["drop"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    files = {path.name for path in (place / "named" / "answers").iterdir()}
    assert files == {f"one-{t}.npz" for t in ("det", "seg", "cls")} | {"one-cls-teacher-cls.npz"}
