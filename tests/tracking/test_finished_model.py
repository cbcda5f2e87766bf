from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.conditions import OUTPUT_NAMES
from mtl.errors import CheckpointError, ConfigError
from mtl.tracking import Tracker, TrackerBatch
from mtl.tracking.finished_model import read_model
from tests.benchmark.small_evaluation import write_model

CPU = torch.device("cpu")
FRAME = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
BOX = [30.0, 20.0, 16.0, 12.0]


def test_a_tracker_opens_a_run_and_its_file_alike(tmp_path: Path) -> None:
    run = write_model(tmp_path / "run")
    boxes = []
    for place in (run, str(run), run / "model.safetensors", f"file://{run}"):
        tracker = Tracker.open(place, CPU)
        tracker.init(FRAME, BOX)
        result = tracker.update(FRAME)
        assert result.conditions is None
        boxes.append(result.box_xywh)
    assert all((box == boxes[0]).all() for box in boxes)
    batch = TrackerBatch.open(run, CPU)
    batch.init("a", FRAME, BOX)
    np.testing.assert_array_equal(batch.update({"a": FRAME})["a"].box_xywh, boxes[0])


def test_an_opened_tracker_tells_conditions_if_asked(tmp_path: Path) -> None:
    tracker = Tracker.open(write_model(tmp_path / "run"), CPU, conditions=True)
    tracker.init(FRAME, BOX)
    conditions = tracker.update(FRAME).conditions
    assert conditions is not None
    assert tuple(conditions) == OUTPUT_NAMES["classes"]
    bare = write_model(tmp_path / "bare", 0, "mode=finetune_bbox")
    with pytest.raises(ConfigError, match="no condition head"):
        Tracker.open(bare, CPU, conditions=True)


def test_a_model_opens_from_an_object_store(tmp_path: Path) -> None:
    import fsspec

    run = write_model(tmp_path / "run")
    with fsspec.open("memory://runs/far/model.safetensors", "wb") as file:
        file.write((run / "model.safetensors").read_bytes())
    far, near = read_model("memory://runs/far"), read_model(run)
    assert far.digest == near.digest
    assert far.source == "memory://runs/far"
    assert far.config == near.config
    for name, tensor in near.model.state_dict().items():
        assert torch.equal(tensor, far.model.state_dict()[name])


@pytest.mark.parametrize("place", ["nothing", "nothing.safetensors"])
def test_a_place_without_a_model_is_named(tmp_path: Path, place: str) -> None:
    with pytest.raises(CheckpointError, match=f"{place}.* cannot be read .*name a run folder"):
        Tracker.open(tmp_path / place)
