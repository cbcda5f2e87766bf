from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.config.schema import HIPTrackConfig, MemoryConfig
from mtl.models.hiptrack import HIPTrack
from mtl.models.window import hann_window
from mtl.tracking import step as step_module
from mtl.tracking.tracker import Tracker
from tests.parity import Fixture, assert_near, fill_by_rule, rule_picture

pytestmark = pytest.mark.parity


def test_tracker_follows_the_published_one(
    reference_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture = Fixture(reference_root / "hiptrack" / "e2e_track.npz")
    meta = fixture.meta
    config = HIPTrackConfig(
        memory=MemoryConfig(capacity=meta["mem_max"], update_interval=meta["update_interval"])
    )
    model = HIPTrack(config)
    fill_by_rule(model, meta["salt"])
    crops, factors, score_maps = [], [], []
    cut = step_module.crop

    def recorded(*arguments: object) -> object:
        result = cut(*arguments)  # type: ignore[arg-type]
        crops.append(zlib.crc32(result.image.tobytes()))
        factors.append(result.resize_factor)
        return result

    monkeypatch.setattr(step_module, "crop", recorded)
    model.box_head.register_forward_hook(lambda *call: score_maps.append(call[-1].score_map))
    tracker = Tracker(model, config, torch.device("cpu"))
    tracker.init(_frame(meta, 0), meta["init_box"])
    boxes = [tracker.update(_frame(meta, t)).box_xywh for t in range(1, meta["frames"])]
    assert crops[0] == int(fixture["template_crop_crc32"])
    assert crops[1:] == fixture["search_crop_crc32"].tolist()
    np.testing.assert_array_equal(factors[1:], fixture["resize_factor"])
    assert_near(torch.cat(score_maps).squeeze(1), fixture["score_map"], 3e-5, "e2e.score_map")
    assert_near(torch.tensor(np.stack(boxes)), fixture["state_xywh"], 0.02, "e2e.state_xywh")


def test_window_is_the_published_one(reference_root: Path) -> None:
    arrays = np.load(reference_root / "hiptrack" / "preprocess.npz")
    (name,) = [name for name in arrays if "hann" in name]
    window = torch.from_numpy(arrays[name]).squeeze()
    assert_near(hann_window(window.shape[-1]), window, 1e-6, "hann")


def _frame(meta: dict, number: int) -> np.ndarray:
    frame = rule_picture([meta["seed"], 8], meta["H"], meta["W"])
    x, y, w, h = meta["init_box"]
    shape = (math.ceil(h), math.ceil(w), 3)
    patch = np.random.default_rng([meta["seed"], 9]).integers(0, 256, shape, dtype=np.uint8)
    left = math.floor(x) + meta["velocity"][0] * number
    top = math.floor(y) + meta["velocity"][1] * number
    frame[top : top + shape[0], left : left + shape[1]] = patch
    return frame
