"""Importing files of every family into small models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor

from mtl.conditions import CLASS_ORDERS, CONDITIONS
from mtl.config.schema import RunConfig
from mtl.errors import CheckpointError, ConfigError, MtlError
from mtl.models.build import build_model
from mtl.models.model_file import load_model, open_model
from mtl.models.simtrack import SimTrack
from mtl.models.vit import interpolate_position_embedding
from mtl.models.weights import Imported, Wishes, import_files, save_import
from mtl.models.weights.kinds import kind_of
from tests.models.weights.sources import (
    run_config,
    save_official,
    save_script,
    small_clip,
    small_vit,
    small_weights,
)

FAMILIES = ("hiptrack", "simtrack")
NET_TYPES = {"hiptrack": "HIPTrack", "simtrack": "SimTrack"}


def bring(path: Path | list[Path], family: str, config: RunConfig, **wishes: Any) -> Imported:
    paths = path if isinstance(path, list) else [path]
    return import_files(paths, Wishes(family, config, **wishes))


def refused(path: Path | list[Path], family: str, config: RunConfig, **wishes: Any) -> str:
    """The one sentence with which an import is refused."""
    with pytest.raises(MtlError) as caught:
        bring(path, family, config, **wishes)
    message = str(caught.value)
    assert "\n" not in message
    assert message.rstrip(".").count(". ") == 0
    first = path[0] if isinstance(path, list) else path
    assert str(first) in message or isinstance(caught.value, ConfigError)
    return message


def assert_same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


def flat(path: Path, weights: Mapping[str, Tensor]) -> Path:
    torch.save(dict(weights), path)
    return path


# --- trackers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_an_official_checkpoint_is_taken_entry_by_entry(tmp_path: Path, family: str) -> None:
    config = run_config(family)
    weights = small_weights(config)
    path = save_official(tmp_path / "official.pth.tar", weights, NET_TYPES[family])
    imported = bring(path, family, config)
    assert_same(imported.weights, weights)
    assert imported.whole
    assert sorted(imported.report.taken) == sorted(weights)
    rest = imported.report.as_json()
    assert not any(rest[name] for name in ("renamed", "resized", "ignored", "missing", "notes"))
    save_import(imported, tmp_path / "out")
    model, opened = open_model(tmp_path / "out")
    assert_same(model.state_dict(), weights)
    assert (opened.mode, opened.model) == ("pretrained", config.model)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_flat_file_of_data_parallel_training_is_taken(tmp_path: Path, family: str) -> None:
    config = run_config(family)
    weights = small_weights(config)
    path = flat(tmp_path / "x.pth", {f"module.{n}": t.half() for n, t in weights.items()})
    imported = bring(path, family, config)
    assert_same(imported.weights, {n: t.half().to(t.dtype) for n, t in weights.items()})


def test_what_no_output_depends_on_may_be_missing(tmp_path: Path) -> None:
    config = run_config("simtrack")
    weights = small_weights(config)
    spared = [n for n in weights if n.endswith(("num_batches_tracked", "visual.proj"))]
    kept = {name: tensor for name, tensor in weights.items() if name not in spared}
    imported = bring(flat(tmp_path / "x.pth", kept), "simtrack", config)
    assert imported.whole
    assert sorted(imported.report.missing) == sorted(spared)
    assert set(imported.report.missing.values()) == {"no output depends on it"}
    assert imported.weights.keys() == weights.keys()


def test_entries_the_model_lacks_are_ignored_and_said(tmp_path: Path) -> None:
    config = run_config("hiptrack")
    weights = small_weights(config) | {"ema.decay": torch.ones(1)}
    imported = bring(flat(tmp_path / "x.pth", weights), "hiptrack", config)
    assert imported.report.ignored == {"ema.decay": "the model has no such entry"}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_with_too_little_is_refused_with_patterns_that_would_do(
    tmp_path: Path, family: str
) -> None:
    config = run_config(family)
    weights = small_weights(config)
    gone = {"hiptrack": ("HIP.", "key_comp."), "simtrack": ("bottleneck.", "backbone.pos_fc.2.")}
    kept = {n: t for n, t in weights.items() if not n.startswith(gone[family])}
    path = flat(tmp_path / "x.pth", kept)
    message = refused(path, family, config)
    patterns = tuple(f"{prefix}*" for prefix in gone[family])
    lacking = [n for n in weights if n not in kept and not n.endswith("num_batches_tracked")]
    assert f"{len(lacking)} of {len(weights)} entries are missing" in message
    for pattern in patterns:
        assert f"--allow-missing '{pattern}'" in message
    imported = bring(path, family, config, allow_missing=patterns)
    assert not imported.whole
    assert_same(imported.weights, kept)
    reasons = {n: why for n, why in imported.report.missing.items() if n.startswith(gone[family])}
    assert len(reasons) == len(weights) - len(kept)
    assert set(reasons.values()) - {"no output depends on it"} == {"allowed by --allow-missing"}


def test_a_pattern_without_a_meaning_is_refused(tmp_path: Path) -> None:
    config = run_config("hiptrack")
    path = flat(tmp_path / "x.pth", small_weights(config))
    assert "'HIPS.*' means no entry" in refused(path, "hiptrack", config, allow_missing=("HIPS.*",))


@pytest.mark.parametrize(
    ("family", "changes", "key"),
    [
        ("hiptrack", {"search": {"size": 96, "factor": 4.0}}, "model.search.size=64"),
        ("hiptrack", {"template": {"size": 48, "factor": 2.0}}, "model.template.size=32"),
        ("hiptrack", {"box_head": {"channels": 32}}, "model.box_head.channels=16"),
        ("hiptrack", {"prompt": {"key_width": 4, "encoder_width": 4}}, "prompt.key_width=8"),
        ("hiptrack", {"prompt": {"key_width": 8, "encoder_width": 8}}, "prompt.encoder_width=4"),
        ("simtrack", {"bottleneck_width": 32}, "model.bottleneck_width=24"),
        ("simtrack", {"box_head_channels": 8}, "model.box_head_channels=16"),
    ],
)
def test_another_size_is_refused_with_the_key_to_change(
    tmp_path: Path, family: str, changes: dict[str, Any], key: str
) -> None:
    path = flat(tmp_path / "x.pth", small_weights(run_config(family)))
    message = refused(path, family, run_config(family, **changes))
    assert "is of another size: '" in message
    assert key in message
    assert message.count("(") == 2  # both shapes


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"width": 64}, "model.backbone.width=32"),
        ({"depth": 4}, "model.backbone.depth=3"),
        ({"depth": 2}, "model.backbone.depth=3"),
        ({"mlp_ratio": 2.0}, "model.backbone.mlp_ratio=4"),
        ({"patch_size": 4}, "model.backbone.patch_size=8"),
    ],
)
def test_another_backbone_is_refused_with_the_key_to_change(
    tmp_path: Path, family: str, change: dict[str, Any], key: str
) -> None:
    config = run_config(family)
    path = flat(tmp_path / "x.pth", small_weights(config))
    backbone = config.model.model_dump()["backbone"] | change
    if family == "hiptrack":
        backbone["elimination_blocks"] = (1,)
    assert key in refused(path, family, run_config(family, backbone=backbone))


def test_nan_is_refused(tmp_path: Path) -> None:
    config = run_config("hiptrack")
    weights = small_weights(config)
    weights["key_comp.bias"][3] = float("nan")
    assert "'key_comp.bias' holds NaN" in refused(
        flat(tmp_path / "x.pth", weights), "hiptrack", config
    )


# --- other names --------------------------------------------------------------------------------


def other_names(weights: Mapping[str, Tensor], rest: Mapping[str, str]) -> dict[str, Tensor]:
    found = {}
    for name, tensor in weights.items():
        for ours, theirs in rest.items():
            if name.startswith(ours):
                found[theirs + name.removeprefix(ours)] = tensor
                break
    return found


PYSOT = {
    "backbone.visual.": "model.backbone.clip.",
    "backbone.pos_fc.0.": "model.neck.foveal.lin_a.",
    "backbone.pos_fc.2.": "model.neck.foveal.lin_b.",
    "bottleneck.": "model.neck.reduce.",
    **{
        f"box_head.conv{number}_{branch}{part}": f"model.head.{branch}_branch.layer{number}{other}"
        for number in range(1, 6)
        for branch in ("tl", "br")
        for part, other in ((".0.", ".conv."), (".1.", ".bn."), (".", ".conv."))
    },
}


def test_simtrack_under_other_names_is_matched_by_tower_shapes_and_branches(
    tmp_path: Path,
) -> None:
    config = run_config("simtrack")
    weights = small_weights(config)
    renamed = other_names(weights, PYSOT)
    assert len(renamed) == len(weights)
    imported = bring(flat(tmp_path / "sim.pth", {"state_dict": renamed}), "simtrack", config)
    assert_same(imported.weights, weights)
    assert len(imported.report.renamed) == len(weights)
    assert ("model.neck.reduce.bias", "bottleneck.bias") in imported.report.renamed


def test_only_the_name_of_the_head_may_differ(tmp_path: Path) -> None:
    config = run_config("simtrack")
    weights = small_weights(config)
    renamed = {name.replace("box_head.", "head."): t for name, t in weights.items()}
    imported = bring(flat(tmp_path / "sim.pth", renamed), "simtrack", config)
    assert_same(imported.weights, weights)


def test_branches_without_tl_and_br_are_not_guessed(tmp_path: Path) -> None:
    config = run_config("simtrack")
    renamed = other_names(small_weights(config), PYSOT)
    blurred = {n.replace("tl_", "one_").replace("br_", "two_"): t for n, t in renamed.items()}
    path = flat(tmp_path / "sim.pth", blurred)
    assert "first 'box_head.conv1_tl.0.weight'" in refused(path, "simtrack", config)


def test_two_layers_of_one_shape_are_not_guessed(tmp_path: Path) -> None:
    config = run_config("simtrack", bottleneck_width=32)
    weights = small_weights(config)
    renamed = other_names(weights, PYSOT)
    renamed["model.neck.second.weight"] = renamed["model.neck.reduce.weight"]
    assert "--allow-missing 'bottleneck.*'" in refused(
        flat(tmp_path / "sim.pth", renamed), "simtrack", config
    )


# --- condition heads ----------------------------------------------------------------------------


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


# --- CLIP ---------------------------------------------------------------------------------------


def clip_tokens(imported: Imported, config: RunConfig, images: Tensor) -> Tensor:
    """What SimTrack's tower makes of pictures of 14 x 14 patches."""
    model = build_model(config)
    assert isinstance(model, SimTrack)
    model.load_state_dict(imported.weights, strict=False)
    visual = model.backbone.visual
    with torch.no_grad():
        return visual(visual.embed_search(images, 14))


@pytest.mark.parametrize("form", ["script", "state_dict", "safetensors"])
def test_clips_visual_tower_is_taken_and_gives_the_same_tokens(tmp_path: Path, form: str) -> None:
    clip = small_clip()
    path = tmp_path / "clip.pt"
    if form == "script":
        save_script(clip, path)
    elif form == "state_dict":
        torch.save(clip.state_dict(), path)
    else:
        save_file(dict(clip.state_dict()), path)
    config = run_config("simtrack")
    imported = bring(path, "clip", config)
    assert not imported.whole
    images = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        wanted = clip.float()(images)
    assert torch.allclose(clip_tokens(imported, config, images), wanted, atol=1e-5)
    visual = [name for name in clip.state_dict() if name.startswith("visual.")]
    assert len(imported.report.renamed) == len(visual) == len(imported.weights)
    assert all(name.startswith("backbone.visual.") for name in imported.weights)
    assert imported.report.ignored["context_length"] == "a number about CLIP"
    assert imported.report.ignored["token_embedding.weight"] == "CLIP's text tower"
    assert len(imported.report.ignored) + len(visual) == len(clip.state_dict())
    assert imported.report.missing["bottleneck.weight"] == "no such file has it; it starts fresh"


def test_timms_clip_is_taken_and_gives_the_same_tokens(tmp_path: Path) -> None:
    timm_clip = small_vit(clip=True)
    path = tmp_path / "clip.safetensors"
    save_file(timm_clip.state_dict(), path)
    config = run_config("simtrack")
    imported = bring(path, "clip", config)
    images = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        wanted = timm_clip.forward_features(images)
    assert torch.allclose(clip_tokens(imported, config, images), wanted, atol=1e-4)
    proj = imported.weights["backbone.visual.proj"]
    assert torch.equal(proj, timm_clip.head.weight.T)
    assert imported.report.ignored == {"head.bias": "zero in CLIP"}
    assert any("quickgelu" in note for note in imported.report.notes)


def test_clip_must_fill_the_whole_tower(tmp_path: Path) -> None:
    state = small_clip().state_dict()
    del state["visual.ln_pre.weight"]
    path = flat(tmp_path / "clip.pt", state)
    message = refused(path, "clip", run_config("simtrack"))
    assert "--allow-missing 'backbone.visual.ln_pre.weight'" in message


def test_clip_names_are_the_published_map(reference_root: Path) -> None:
    folder = reference_root / "simtrack"
    table = json.loads((folder / "map_to_simtrack.json").read_text())
    manifests = {"openai_clip": "openai_clip_vitb16_visual", "timm": "timm_vitb16_clip"}
    for key, manifest in manifests.items():
        shapes = json.loads((folder / f"manifest_{manifest}.json").read_text())
        shapes = {name: tuple(shape) for name, shape in shapes.items()}
        kind = kind_of(shapes)
        assert kind.family == "clip"
        assert kind.plan is not None
        plan = kind.plan(shapes, {})
        wanted = {n: t if isinstance(t, str) else t[0] for n, t in table[key].items()}
        found: dict[str, str | None] = {move.source: move.target for move in plan.moves}
        assert found | dict.fromkeys(plan.ignored) == wanted
        targets = json.loads((folder / "manifest_simtrack.json").read_text())
        for move in plan.moves:
            assert list(move.shape) == targets[move.target], move.source


# --- ImageNet -----------------------------------------------------------------------------------


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


# --- the wrong file -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One file of every kind."""
    folder = tmp_path_factory.mktemp("published")
    tracker = small_weights(run_config("hiptrack"))
    one = torch.ones(1)
    deeper = ("conv1.weight", "layer1.0.conv1.weight", "layer1.2.conv1.weight")
    states = {
        "hiptrack": tracker,
        "simtrack": small_weights(run_config("simtrack")),
        "pysot": other_names(small_weights(run_config("simtrack")), PYSOT),
        "clip": small_clip().state_dict(),
        "timm_clip": small_vit(clip=True).state_dict(),
        "vit": small_vit().state_dict(),
        "resnet18": torchvision.models.resnet18().state_dict(),
        "resnet34": dict.fromkeys(deeper, one),
        "renamed": {f"x{number}": tensor for number, tensor in enumerate(tracker.values())},
    }
    return {name: flat(folder / f"{name}.pth", state) for name, state in states.items()}


@pytest.mark.parametrize(
    ("name", "family", "words"),
    [
        ("hiptrack", "simtrack", "a HIPTrack checkpoint; give --family hiptrack"),
        ("hiptrack", "timm", "a HIPTrack checkpoint; give --family hiptrack"),
        ("simtrack", "hiptrack", "a SimTrack checkpoint; give --family simtrack"),
        ("simtrack", "clip", "a SimTrack checkpoint; give --family simtrack"),
        ("pysot", "clip", "a SimTrack checkpoint; give --family simtrack"),
        ("clip", "simtrack", "CLIP with a vision transformer; give --family clip"),
        ("timm_clip", "timm", "timm's CLIP vision transformer; give --family clip"),
        ("vit", "clip", "a plain vision transformer in timm's names; give --family timm"),
        ("vit", "hiptrack", "a plain vision transformer in timm's names; give --family timm"),
        ("resnet18", "hiptrack", "ResNet-18; give --family timm"),
        ("resnet34", "timm", "a ResNet other than ResNet-18; no --family reads it"),
        ("renamed", "hiptrack", "no model known here; no --family reads it"),
    ],
)
def test_a_file_of_another_family_is_refused_with_what_it_looks_like(
    published: dict[str, Path], name: str, family: str, words: str
) -> None:
    model = "simtrack" if family in ("simtrack", "clip") else "hiptrack"
    assert words in refused(published[name], family, run_config(model))


def test_a_config_of_another_model_is_refused(published: dict[str, Path]) -> None:
    message = refused(published["hiptrack"], "hiptrack", run_config("simtrack"))
    assert "--config hiptrack" in message


def test_a_cut_off_checkpoint_is_refused(tmp_path: Path) -> None:
    config = run_config("hiptrack")
    path = save_official(tmp_path / "x.pth.tar", small_weights(config), "HIPTrack")
    path.write_bytes(path.read_bytes()[:-3000])
    assert "cut off" in refused(path, "hiptrack", config)


# --- what is written ----------------------------------------------------------------------------


def test_report_and_metadata_say_everything(tmp_path: Path) -> None:
    config = run_config("simtrack")
    imported = bring(flat(tmp_path / "clip.pt", small_clip().state_dict()), "clip", config)
    save_import(imported, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "import_report.json").read_text())
    (file,) = report["files"]
    assert (file["name"], len(file["sha256"])) == ("clip.pt", 64)
    sources = [*report["taken"], *report["ignored"], *(old for old, _ in report["renamed"])]
    assert sorted(sources) == sorted(small_clip().state_dict())
    targets = [*report["taken"], *report["missing"], *(new for _, new in report["renamed"])]
    assert sorted(targets) == sorted(build_model(config).state_dict())
    weights, metadata = load_model(tmp_path / "out" / "model.safetensors")
    assert (metadata["family"], metadata["filled"]) == ("simtrack", "partial")
    assert json.loads(metadata["source"]) == report["files"]
    assert weights.keys() == imported.weights.keys()
    lines = list(imported.report.lines())
    assert len(lines) < 25
    assert "ignored" in lines[0]


def test_an_import_of_a_part_cannot_be_opened_as_a_model(tmp_path: Path) -> None:
    config = run_config("simtrack")
    imported = bring(flat(tmp_path / "clip.pt", small_clip().state_dict()), "clip", config)
    save_import(imported, tmp_path / "out")
    with pytest.raises(CheckpointError, match="holds only a part of a simtrack"):
        open_model(tmp_path / "out")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    config = run_config("hiptrack")
    imported = bring(flat(tmp_path / "x.pth", small_weights(config)), "hiptrack", config)
    with pytest.raises(ConfigError, match="not an empty folder"):
        save_import(imported, tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="not an empty folder"):
        save_import(imported, tmp_path / "file")


def test_a_model_file_of_ours_needs_no_import(tmp_path: Path) -> None:
    config = run_config("hiptrack")
    imported = bring(flat(tmp_path / "x.pth", small_weights(config)), "hiptrack", config)
    save_import(imported, tmp_path / "out")
    message = refused(tmp_path / "out" / "model.safetensors", "hiptrack", config)
    assert "model.init=" in message
