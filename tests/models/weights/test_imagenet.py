"""Plain vision transformers and ResNet-18."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from mtl.models.build import build_model
from mtl.models.vit import interpolate_position_embedding
from tests.models.weights.importing import bring, flat, refused
from tests.models.weights.sources import (
    run_config,
    small_vit,
)


@pytest.mark.parametrize("wrap", [dict, lambda state: {"model": state}], ids=["timm", "mae"])
def test_a_plain_transformer_fills_the_backbone(tmp_path: Path, wrap: Any) -> None:
    vit = small_vit()
    state = dict(vit.state_dict()) | {"decoder_embed.weight": torch.ones(2, 2)}
    torch.save(wrap(state), tmp_path / "vit.pth")
    config = run_config("hiptrack")
    imported = bring(tmp_path / "vit.pth", "timm", config)
    model: Any = build_model(config)
    model.load_state_dict(imported.weights, strict=False)
    tokens = torch.randn(2, 5, 32)
    with torch.no_grad():
        found = tokens
        for block in model.backbone.blocks:
            found, _ = block(found)
        wanted = vit.norm(vit.blocks(tokens))
    assert torch.allclose(model.backbone.norm(found), wanted, atol=1e-4)
    for name, side in (("pos_embed_z", 4), ("pos_embed_x", 8)):
        resized = interpolate_position_embedding(state["pos_embed"], side)
        assert torch.equal(imported.weights[f"backbone.{name}"], resized)
    assert {(old, new) for old, new, _, _ in imported.report.resized} == {
        ("pos_embed", "backbone.pos_embed_z"),
        ("pos_embed", "backbone.pos_embed_x"),
    }
    fresh = {name for name in imported.report.missing if name.startswith("backbone.")}
    assert fresh == {"backbone.temporal_pos_embed_z", "backbone.temporal_pos_embed_x"}
    assert imported.report.ignored.keys() == {"head.weight", "head.bias", "decoder_embed.weight"}


def test_a_transformer_of_another_grid_is_resized_too(tmp_path: Path) -> None:
    vit = small_vit(img_size=80)
    path = flat(tmp_path / "vit.pth", vit.state_dict())
    imported = bring(path, "timm", run_config("hiptrack"))
    resized = interpolate_position_embedding(vit.state_dict()["pos_embed"], 8)
    assert torch.equal(imported.weights["backbone.pos_embed_x"], resized)
    assert "backbone.pos_embed" in imported.report.missing


def test_a_position_embedding_without_a_grid_is_refused(tmp_path: Path) -> None:
    state = dict(small_vit().state_dict())
    state["pos_embed"] = torch.zeros(1, 199, 32)
    path = flat(tmp_path / "vit.pth", state)
    assert "'backbone.pos_embed_z'" in refused(path, "timm", run_config("hiptrack"))


def test_resnet18_fills_the_prompt_encoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    resnet = torchvision.models.resnet18().eval()
    path = flat(tmp_path / "resnet18.pth", resnet.state_dict())
    config = run_config("hiptrack", prompt={"key_width": 8, "encoder_width": 64})
    imported = bring(path, "timm", config)
    model: Any = build_model(config).eval()
    model.load_state_dict(imported.weights, strict=False)
    image, no_mask = torch.randn(1, 3, 64, 64), torch.zeros(1, 1, 64, 64)
    with torch.no_grad():
        x = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(image))))
        wanted = resnet.layer3(resnet.layer2(resnet.layer1(x)))
        assert torch.allclose(model.HIP.encoder.encode(image, no_mask), wanted, atol=1e-5)
    mask = imported.weights["HIP.encoder.conv1.weight"][:, 3:].flatten(1)
    # 64 rows of 49 numbers: the columns are orthonormal.
    assert torch.allclose(mask.T @ mask, torch.eye(49), atol=1e-5)
    again = bring(path, "timm", config).weights["HIP.encoder.conv1.weight"]
    assert torch.equal(again, imported.weights["HIP.encoder.conv1.weight"])
    assert imported.report.missing["HIP.encoder.conv1.bias"] == "starts at 0, as published"
    assert all(n.startswith(("layer4.", "fc.")) for n in imported.report.ignored)


def test_a_transformer_and_a_resnet_are_imported_together(tmp_path: Path) -> None:
    paths = [tmp_path / "vit.pth", tmp_path / "resnet18.pth"]
    flat(paths[0], small_vit().state_dict())
    flat(paths[1], torchvision.models.resnet18().state_dict())
    config = run_config("hiptrack", prompt={"key_width": 8, "encoder_width": 64})
    imported = bring(paths, "timm", config)
    assert {"backbone.norm.weight", "HIP.encoder.bn1.weight"} <= imported.weights.keys()
    assert [file["name"] for file in imported.report.files] == ["vit.pth", "resnet18.pth"]
    assert not imported.report.missing.keys() & imported.weights.keys()
    assert "both hold" in refused([paths[0], paths[0]], "timm", config)
