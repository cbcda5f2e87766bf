"""Checkpoints of whole trackers, under the published and other names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mtl.models.model_file import open_model
from mtl.models.weights import save_import
from tests.models.weights.importing import PYSOT, assert_same, bring, flat, other_names, refused
from tests.models.weights.sources import (
    run_config,
    save_official,
    small_weights,
)

FAMILIES = ("hiptrack", "simtrack")
NET_TYPES = {"hiptrack": "HIPTrack", "simtrack": "SimTrack"}


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
