"""Published condition heads, in whatever class order they were trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mtl.conditions import CLASS_ORDERS, CONDITIONS
from mtl.models.model_file import open_model
from mtl.models.weights import save_import
from tests.models.weights.importing import assert_same, bring, flat, other_names, refused
from tests.models.weights.sources import (
    run_config,
    save_official,
    small_weights,
)

FAMILIES = ("hiptrack", "simtrack")
NET_TYPES = {"hiptrack": "HIPTrack", "simtrack": "SimTrack"}


def with_published_head(weights: Mapping[str, Tensor], project: str) -> dict[str, Tensor]:
    names = {
        "condition_head.fc1.": project,
        "condition_head.fc2.": "classifier.",
        "condition_head.residual.": "fusion_layer.",
    }
    return {n: t for n, t in weights.items() if not n.startswith("condition_head.")} | other_names(
        weights, names
    )


@pytest.mark.parametrize("project", ["cls_projection.", "cls_projection.0."])
@pytest.mark.parametrize("fusion", ["none", "residual"])
def test_the_published_simtrack_branch_becomes_the_condition_head(
    tmp_path: Path, project: str, fusion: str
) -> None:
    config = run_config("simtrack", "mtl_hard", head={"fusion": fusion})
    weights = small_weights(config)
    path = flat(tmp_path / "x.pth", with_published_head(weights, project))
    # The file says whether there is a fusion, whatever the config said.
    imported = bring(path, "simtrack", run_config("simtrack"))
    assert imported.config.mode == "mtl_hard"
    assert imported.config.fusion == fusion
    assert imported.whole
    assert any("class token" in note for note in imported.report.notes)
    rows = [CLASS_ORDERS["simtrack"].index(name) for name in CONDITIONS]
    for name, tensor in weights.items():
        wanted = tensor[rows] if name.startswith("condition_head.fc2.") else tensor
        assert torch.equal(imported.weights[name], wanted), name


def test_the_published_hiptrack_head_is_known_by_its_two_layers(tmp_path: Path) -> None:
    config = run_config("hiptrack", "mtl_hard")
    weights = small_weights(config)
    names = {"condition_head.fc1.": "cls_head.fc.0.", "condition_head.fc2.": "cls_head.fc.3."}
    tracker = {n: t for n, t in weights.items() if not n.startswith("condition_head.")}
    path = save_official(tmp_path / "x.pth.tar", tracker | other_names(weights, names), "HIPTrack")
    imported = bring(path, "hiptrack", config)
    assert_same(imported.weights, weights)
    assert imported.config.mode == "mtl_hard"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("order", ["hiptrack", "simtrack", "simtrack_guide"])
def test_a_head_answers_by_name_whatever_order_it_was_trained_in(
    tmp_path: Path, family: str, order: str
) -> None:
    """The file's head always finds the class of its row `row`; ours must call it by its name."""
    config = run_config(family, "mtl_hard")
    weights = small_weights(config)
    names = CLASS_ORDERS[order]
    for row in (0, 3, 6):
        weights["condition_head.fc2.bias"] = torch.full((10,), -50.0)
        weights["condition_head.fc2.bias"][row] = 50.0
        path = flat(tmp_path / f"{row}.pth", weights)
        save_import(bring(path, family, config, class_order=order), tmp_path / f"out{row}")
        model, _ = open_model(tmp_path / f"out{row}")
        head = model.condition_head
        logits = head.logits(head.features(torch.randn(1, head.fc1.in_features), None))
        assert head.names[int(logits.argmax())] == names[row]


def test_each_family_has_its_own_order_unless_told(tmp_path: Path) -> None:
    for family in FAMILIES:
        config = run_config(family, "mtl_hard")
        path = flat(tmp_path / f"{family}.pth", small_weights(config))
        default = bring(path, family, config).weights["condition_head.fc2.weight"]
        told = bring(path, family, config, class_order=family).weights["condition_head.fc2.weight"]
        assert torch.equal(default, told)


def test_the_v2_order_has_other_classes_and_is_refused(tmp_path: Path) -> None:
    config = run_config("hiptrack", "mtl_hard")
    path = flat(tmp_path / "x.pth", small_weights(config))
    message = refused(path, "hiptrack", config, class_order="v2")
    for word in ("out_of_frame", "specular_glare", "variance_in_appearance", "--without-head"):
        assert word in message


def test_a_head_is_left_alone_when_not_wanted(tmp_path: Path) -> None:
    config = run_config("hiptrack", "mtl_hard")
    weights = small_weights(config)
    path = flat(tmp_path / "x.pth", weights)
    imported = bring(path, "hiptrack", config, class_order="v2", with_head=False)
    assert imported.whole
    assert imported.config.mode == "pretrained"
    heads = {name for name in weights if name.startswith("condition_head.")}
    assert imported.report.ignored.keys() == heads


def test_a_head_of_another_width_is_refused_with_its_key(tmp_path: Path) -> None:
    config = run_config("hiptrack", "mtl_hard")
    path = flat(tmp_path / "x.pth", small_weights(config))
    wider = run_config("hiptrack", "mtl_hard", head={"hidden_width": 20})
    assert "head.hidden_width=12" in refused(path, "hiptrack", wider)
    sized = run_config("hiptrack", "mtl_hard", head={"size_features": True})
    assert "head.size_features=false" in refused(path, "hiptrack", sized)


def test_half_a_head_is_refused(tmp_path: Path) -> None:
    config = run_config("simtrack", "mtl_hard")
    weights = small_weights(config)
    del weights["condition_head.fc1.bias"]
    path = flat(tmp_path / "x.pth", weights)
    assert "first 'condition_head.fc1.bias'" in refused(path, "simtrack", config)
