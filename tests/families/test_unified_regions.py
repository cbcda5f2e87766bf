"""Boxes of regions, wherever a model is asked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.__main__ import main
from mtl.config.load import load
from mtl.families.unified import UnifiedFamily
from mtl.tasks.task import Moment
from mtl.tracking.finished_model import read_model
from tests.families.small_unified import SMALL, write_unified
from tests.training.unified_runs import tensors

REGION = "model.boxes.least_region=0.01"
WHOLE = [0.0, 0.0, 128.0, 128.0]
BUOY = 5
"""Of these weights: they say buoy of nearly every pixel, whatever they see."""
CPU = torch.device("cpu")


def whole_boxes(rows: np.ndarray) -> int:
    """How many images of (N, R, 6) have a buoy in all of the image."""
    return int(((rows[..., :4] == WHOLE).all(axis=-1) & (rows[..., 5] == 1)).any(axis=1).sum())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with regions, and a run that it taught."""
    place = tmp_path_factory.mktemp("regions")
    write_unified(place / "teacher", BUOY, REGION)
    write_unified(place / "one", BUOY, REGION)
    return place


@pytest.fixture(scope="module")
def family(place: Path) -> UnifiedFamily:
    teachers = [f"teachers.{task}={place / 'teacher'}" for task in ("det", "seg", "cls")]
    config = load("unified_demo", [*SMALL, "name=one", REGION, *teachers])
    found = UnifiedFamily(config)  # type: ignore[arg-type]
    return found


def test_a_validation_finds_them(place: Path, family: UnifiedFamily) -> None:
    indices, model = family.indices(), read_model(place / "one").model.eval()
    assert indices.val is not None
    sampler = family.sampler(indices.val, training=False)
    batch = tensors([sampler.sample(row) for row in range(family.val_samples(indices.val))])
    with torch.no_grad():
        sums = family.task(indices, CPU).losses(model, batch, Moment(1, False)).statistics
    found = sums["det"].numpy()
    assert whole_boxes(found) == len(found) == 18


def test_a_run_and_the_command_find_them_and_those_of_a_teacher_that_learned_both(
    place: Path, family: UnifiedFamily
) -> None:
    index, model = family.indices().final["test"], read_model(place / "one").model
    answers = family.evaluate_share(model, index, CPU, 0, 1, place / "run")
    for of_teacher in (False, True):
        rows = [
            one.answers.values
            for one in answers
            if one.answers.task == "det" and one.of_teacher is of_teacher
        ]
        assert sum(map(whole_boxes, rows)) == 18
    family.summarize(index, "test", answers, place / "run")
    assert main(["evaluate", str(place / "one"), "--out", str(place / "out")]) == 0
    same = Path("one/test/detections.json")
    boxes = (place / "run" / same).read_text()
    assert boxes == (place / "out" / "results" / same).read_text()
    assert sum(box["bbox"] == WHOLE for box in json.loads(boxes)) == 18
