from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mtl.config.schema import SimTrackConfig
from mtl.geometry.crop import square_around
from mtl.models.heads import CornerMaps
from mtl.models.simtrack import SimTrack
from mtl.models.tracker import TrackOutput
from mtl.tracking.step import CLIP_MARGIN
from mtl.tracking.tracker import Tracker
from tests.parity import Fixture, assert_near, corner_gains, fill_by_rule, scene

pytestmark = pytest.mark.parity

PUBLISHED = SimTrackConfig()
CPU = torch.device("cpu")


class Prescribed(SimTrack):
    """A SimTrack whose network says what a file says."""

    def __init__(self, boxes_cxcywh: np.ndarray) -> None:
        with torch.device("meta"):
            super().__init__(PUBLISHED)
        self.boxes_cxcywh = torch.from_numpy(boxes_cxcywh).double()

    def start(self, template: Tensor, template_boxes_xywh: Tensor) -> Any:
        """The template's box is all that is kept."""
        return template_boxes_xywh

    def track(
        self, template: Any, search: Tensor, memory: None, index: int, *_: Any, **__: Any
    ) -> Any:
        """The frame's box as a pair of corners."""
        center, size = self.boxes_cxcywh[index - 1 : index].split(2, dim=-1)
        corners = torch.cat([center - size / 2, center + size / 2], dim=-1)
        sure = torch.ones(1, 1)
        return TrackOutput(CornerMaps(sure, sure, corners), corners, memory, None)


def test_states_follow_prescribed_boxes_as_published(reference_root: Path) -> None:
    fixture = Fixture(reference_root / "simtrack" / "geometry.npz")
    meta = fixture.meta
    assert (CLIP_MARGIN, PUBLISHED.search.factor) == (meta["margin"], meta["search_factor"])
    assert PUBLISHED.search.size == meta["search_size"]
    boxes = fixture["network_output_cxcywh"]
    tracker = Tracker(Prescribed(boxes), PUBLISHED, CPU)
    frame = np.zeros((meta["H"], meta["W"], 3), np.uint8)
    tracker.init(frame, meta["init_xywh"])
    assert tracker.state is not None
    assert_near(tracker.state.template[0], fixture["template_anno"], 1e-6, "template_anno")
    for number in range(len(boxes)):
        *corner, side = square_around(tracker.state.box_xywh, PUBLISHED.search.factor)
        assert side == fixture["crop_size"][number]
        assert corner == fixture["crop_x1y1"][number].tolist()
        factor = PUBLISHED.search.size / side
        assert factor == pytest.approx(fixture["resize_factor"][number], abs=1e-9)
        found = tracker.update(frame).box_xywh
        np.testing.assert_allclose(found, fixture["state_xywh"][number], rtol=0, atol=1e-9)
        np.testing.assert_array_equal(found.astype(int), fixture["saved_xywh_int"][number])


def test_tracker_follows_the_published_one(reference_root: Path) -> None:
    fixture = Fixture(reference_root / "simtrack" / "track.npz")
    meta = fixture.meta
    model = SimTrack(PUBLISHED)
    fill_by_rule(model, meta["salt"], gains=corner_gains(meta))
    seen: list[CornerMaps] = []
    model.box_head.register_forward_hook(lambda *call: seen.append(call[-1]))
    given: list[Tensor] = []
    model.backbone.pos_fc.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    np.testing.assert_array_equal(frame(meta, 1)[::16, ::16], fixture["frame1_slice"])
    tracker = Tracker(model, PUBLISHED, CPU)
    tracker.init(frame(meta, 0), meta["init_xywh"])
    boxes = [tracker.update(frame(meta, t)).box_xywh for t in range(1, 1 + meta["frames"])]
    (template_box,) = given  # what depends on the template alone is computed once
    assert_near(template_box[0], fixture["template_anno"], 1e-6, "template_anno")
    found = torch.cat([maps.decode()[0] for maps in seen])
    assert_near(found, fixture["network_output_cxcywh"], 2e-5, "network_output_cxcywh")
    assert_near(torch.tensor(np.stack(boxes)), fixture["state_xywh"], 0.02, "state_xywh")


def frame(meta: dict[str, Any], number: int) -> np.ndarray:
    """A moving rectangle of another texture before a moving background."""
    picture = scene(meta["H"], meta["W"], 2 * number)
    x, y, w, h = (int(value) for value in meta["init_xywh"])
    left, top = x + 3 * number, y + 2 * number
    picture[top : top + h, left : left + w] = scene(h, w, 500)[::-1]
    return picture
