from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mtl.config.schema import HIPTrackConfig
from mtl.geometry.masks import prediction_mask, template_mask
from tests.parity import Fixture, assert_mask

pytestmark = pytest.mark.parity


def test_masks_are_the_published_ones(reference_root: Path) -> None:
    fixture = Fixture(reference_root / "hiptrack" / "masks.npz")
    config = HIPTrackConfig()
    size, cells = config.search.size, (config.search.size // config.backbone.patch_size) ** 2
    boxes = {name: torch.from_numpy(fixture[f"{name}.box"]) for name in ("cxcywh", "xywh", "ce")}
    stages = sorted(name for name in fixture.arrays if name.startswith("ce.removed"))
    removed = [torch.from_numpy(fixture[name].astype(np.int64)) for name in stages]
    assert_mask(fixture, "cxcywh", prediction_mask(boxes["cxcywh"], size))
    assert_mask(fixture, "xywh", template_mask(boxes["xywh"], size))
    assert_mask(fixture, "ce", prediction_mask(boxes["ce"], size, removed, cells))
