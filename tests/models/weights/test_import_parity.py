"""Published layouts with the fixtures' weights, imported: the published numbers come out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mtl.__main__ import main
from mtl.conditions import CLASS_ORDERS, CONDITIONS
from mtl.config.schema import HIPTrackConfig, SimTrackConfig
from mtl.models.model_file import open_model
from mtl.models.weights.files import open_weights
from tests.models.unified.published import (
    Published,
    assert_close,
    rule,
    use_batch_statistics,
)
from tests.models.weights.sources import save_official
from tests.parity import Fixture, corner_gains, rule_image, rule_values

pytestmark = pytest.mark.parity

RELATIVE = 1e-4
"""Largest difference over the largest number."""


def rule_weights(
    manifest: Path, salt: int, gains: dict[str, float] | None = None
) -> dict[str, Tensor]:
    """The fixtures' weights under the names of a manifest."""
    return {
        name: torch.from_numpy(rule_values(name, tuple(shape), salt, (gains or {}).get(name, 1.0)))
        for name, shape in json.loads(manifest.read_text()).items()
    }


def bring(tmp_path: Path, net: dict[str, Tensor], family: str) -> Any:
    """The model a user gets from an official checkpoint of these weights."""
    names = {"hiptrack": "HIPTrack", "simtrack": "SimTrack"}
    file = save_official(tmp_path / "official.pth.tar", net, names[family])
    out = tmp_path / "imported"
    assert main(["import", str(file), "--family", family, "--out", str(out)]) == 0
    return open_model(out)[0]


def assert_relative(found: Tensor, wanted: np.ndarray | Tensor, name: str) -> None:
    wanted = torch.as_tensor(wanted)
    assert found.shape == wanted.shape, name
    error = ((found - wanted).abs().max() / wanted.abs().max()).item()
    assert error <= RELATIVE, f"{name} is off by {error:.1e} of its largest number"


@pytest.mark.parametrize("family", ["hiptrack", "simtrack"])
def test_the_published_files_of_this_layout_hold_the_rules_weights(
    reference_root: Path, family: str
) -> None:
    with open_weights(reference_root / family / "checkpoint_like.pth.tar") as file:
        assert file.entries
        for name, entry in file.entries.items():
            found = entry.read()
            if name.endswith("num_batches_tracked"):
                assert found.dtype == torch.int64
                continue
            np.testing.assert_array_equal(found.numpy(), rule_values(name, entry.shape, 0), name)


def test_an_imported_hiptrack_gives_the_published_outputs(
    reference_root: Path, tmp_path: Path
) -> None:
    folder = reference_root / "hiptrack"
    fixture = Fixture(folder / "train_ce_on.npz")
    meta, sizes = fixture.meta, HIPTrackConfig()
    model = bring(tmp_path, rule_weights(folder / "state_dict.json", meta["salt"]), "hiptrack")
    numbers = range(1, meta["frames"] + 1)
    search = [rule_image(meta["seed"], t, meta["B"], sizes.search.size) for t in numbers]
    template = rule_image(meta["seed"], 0, meta["B"], sizes.template.size)
    boxes = torch.tensor(meta["template_boxes_xywh"])
    with torch.no_grad():
        output = model(template, torch.stack(search, dim=1), boxes, meta["ce_keep_rate"])
    for name in ("score_map", "size_map", "offset_map"):
        assert_relative(getattr(output, name), fixture.frames(name), name)
    assert_relative(output.boxes_cxcywh, fixture.frames("pred_boxes").squeeze(2), "boxes")
    assert output.condition_logits is None


def test_an_imported_simtrack_gives_the_published_outputs(
    reference_root: Path, tmp_path: Path
) -> None:
    folder = reference_root / "simtrack"
    fixture = Fixture(folder / "forward.npz")
    meta, sizes = fixture.meta, SimTrackConfig()
    manifest = folder / "manifest_simtrack.json"
    model = bring(tmp_path, rule_weights(manifest, meta["salt"], corner_gains(meta)), "simtrack")
    template = rule_image(meta["seed"], 0, meta["B"], sizes.template.size)
    search = rule_image(meta["seed"], 1, meta["B"], sizes.search.size)[:, None]
    for number, boxes in enumerate(meta["annotations_xywh"]):
        with torch.no_grad():
            output = model(template, search, torch.tensor(boxes))
        assert_relative(output.boxes_cxcywh, fixture[f"a{number}.pred_boxes"], f"a{number} boxes")


def test_an_imported_condition_branch_gives_the_published_outputs_by_name(
    reference_root: Path, tmp_path: Path
) -> None:
    folder = reference_root / "simtrack"
    fixture = Fixture(folder / "classification.npz")
    meta, sizes = fixture.meta, SimTrackConfig()
    tracker = rule_weights(folder / "manifest_simtrack.json", meta["salt"], corner_gains(meta))
    branch = rule_weights(folder / "manifest_classification_branch.json", meta["salt"])
    model = bring(tmp_path, tracker | branch, "simtrack")
    template = rule_image(meta["seed"], 0, meta["B"], sizes.template.size)
    search = rule_image(meta["seed"], 1, meta["B"], sizes.search.size)[:, None]
    with torch.no_grad():
        output = model(template, search, torch.tensor(meta["annotations_xywh"]))
    columns = [CLASS_ORDERS["simtrack"].index(name) for name in CONDITIONS]
    assert_relative(output.condition_logits[:, 0], fixture["cls49.logits"][:, columns], "logits")
    assert_relative(output.boxes_cxcywh, fixture["cls49.pred_boxes_fused"], "fused boxes")


@pytest.mark.parametrize("naming", ["torchvision", "timm"])
def test_an_imported_unified_model_gives_the_published_outputs(
    reference_root: Path, tmp_path: Path, naming: str
) -> None:
    published = Published(reference_root)
    fixture, config = published.fixture("end_to_end"), published.config("end_to_end")
    weights = {}
    for entry in published.state["state_dict"]:
        inside = entry.get("timm") if naming == "timm" else None
        name = f"backbone.{inside}" if inside else entry["key"]
        empty = torch.zeros(entry["shape"], dtype=getattr(torch, entry["dtype"]))
        weights[name] = rule(entry["key"], empty)
    torch.save({"model": weights}, tmp_path / "best.pth")
    run = {"model": config.model_dump(mode="json"), "stages": {"joint": {"epochs": 1}}}
    (tmp_path / "unified.yaml").write_text(json.dumps(run))
    words = ["import", str(tmp_path / "best.pth"), "--family", "unified"]
    out = tmp_path / "imported"
    assert main([*words, "--out", str(out), "--config", str(tmp_path / "unified.yaml")]) == 0
    model: Any = open_model(out)[0]
    use_batch_statistics(model)
    with torch.no_grad():
        output = model({"cls": torch.from_numpy(fixture["image"]).float()})["cls"]
    tolerance = published.tolerance("end_to_end")
    for key, found in output._asdict().items():
        assert_close(found, fixture[key], tolerance, key)
