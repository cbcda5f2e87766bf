"""Starting a model from the weights of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from mtl.conditions import CLASS_ORDERS, CONDITIONS
from mtl.config.schema import TrackerRunConfig
from mtl.errors import CheckpointError
from mtl.models.build import build_model
from mtl.models.model_file import load_model, save_model
from mtl.models.weights import Wishes, check_start, import_files, save_import, start_from
from mtl.models.weights.report import Report
from tests.models.weights.sources import run_config, small_clip, small_vit, small_weights

FAMILIES = ("hiptrack", "simtrack")


def saved(folder: Path, config: TrackerRunConfig, seed: int = 0) -> tuple[Path, dict[str, Tensor]]:
    """A run folder with different weights in every entry."""
    folder.mkdir()
    weights = small_weights(config, seed)
    save_model(folder / "model.safetensors", weights, config, {})
    return folder, weights


def rename_classes(file: Path, names: tuple[str, ...]) -> None:
    """Let a model file say that its condition head's outputs are called so."""
    weights, metadata = load_model(file)
    save_file(weights, file, metadata | {"classes": json.dumps(names)})


def start(
    config: TrackerRunConfig, path: Path
) -> tuple[dict[str, Tensor], Report, dict[str, Tensor]]:
    """The model's weights after a start, its report, and its weights before."""
    torch.manual_seed(99)
    model = build_model(config)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report = start_from(model, path)
    foreseen = check_start(config, path)
    assert foreseen.as_json() == report.as_json()
    return model.state_dict(), report, before


def refused(config: TrackerRunConfig, path: Path) -> str:
    """The one sentence both the driver and a worker would say."""
    with pytest.raises(CheckpointError) as on_driver:
        check_start(config, path)
    with pytest.raises(CheckpointError) as in_worker:
        start_from(build_model(config), path)
    message = str(in_worker.value)
    assert message == str(on_driver.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", ["finetune_bbox", "mtl_hard", "mtl_film"])
def test_a_run_folder_and_its_model_file_are_taken_wholly(
    tmp_path: Path, family: str, mode: str
) -> None:
    config = run_config(family, mode)
    folder, weights = saved(tmp_path / "run", config)
    for path in (folder, folder / "model.safetensors"):
        after, report, _ = start(config, path)
        assert all(torch.equal(after[name], tensor) for name, tensor in weights.items())
        assert sorted(report.taken) == sorted(weights)
        assert report.summary() == f"started from {folder}/model.safetensors: {len(weights)} taken"


@pytest.mark.parametrize("mode", ["mtl_hard", "mtl_multilabel"])
def test_a_tracker_without_a_head_leaves_the_head_fresh_and_says_so(
    tmp_path: Path, mode: str
) -> None:
    folder, weights = saved(tmp_path / "run", run_config("simtrack"))
    after, report, before = start(run_config("simtrack", mode), folder)
    assert all(torch.equal(after[name], tensor) for name, tensor in weights.items())
    heads = [name for name in after if name.startswith("condition_head.")]
    assert all(torch.equal(after[name], before[name]) for name in heads)
    assert sorted(report.missing) == sorted(heads)
    assert report.notes == ["the condition head starts fresh: the file has none"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("mode", "head", "words"),
    [
        ("mtl_multilabel", {}, "which this mode does not learn"),
        ("mtl_hard", {"hidden_width": 20}, "is (12, "),
        ("mtl_hard", {"size_features": True}, "'condition_head.fc1.weight' is (12, "),
    ],
)
def test_another_head_stays_fresh_and_the_report_says_why(
    tmp_path: Path, family: str, mode: str, head: dict[str, Any], words: str
) -> None:
    folder, weights = saved(tmp_path / "run", run_config(family, "mtl_hard"))
    after, report, before = start(run_config(family, mode, head=head), folder)
    for name, tensor in after.items():
        fresh = name.startswith("condition_head.")
        assert torch.equal(tensor, before[name] if fresh else weights[name]), name
    (note,) = report.notes
    assert note.startswith("the condition head starts fresh: ")
    assert words in note
    assert all(name.startswith("condition_head.") for name in report.ignored)


def test_a_fusion_starts_as_if_it_were_not_there(tmp_path: Path) -> None:
    folder, weights = saved(tmp_path / "run", run_config("simtrack", "mtl_multilabel"))
    after, report, _ = start(run_config("simtrack", "mtl_film"), folder)
    assert all(torch.equal(after[name], tensor) for name, tensor in weights.items())
    assert not report.notes
    assert all(name.startswith("condition_head.film.") for name in report.missing)
    assert not after["condition_head.film.fc2.weight"].any()


def test_losing_a_fusion_is_said(tmp_path: Path) -> None:
    fused = run_config("simtrack", "mtl_hard", head={"fusion": "residual"})
    folder, _ = saved(tmp_path / "run", fused)
    _, report, _ = start(run_config("simtrack", "mtl_hard"), folder)
    assert len(report.notes) == 1
    assert "boxes depended on 'condition_head.residual." in report.notes[0]


@pytest.mark.parametrize("order", ["simtrack", "simtrack_guide"])
def test_a_head_in_another_order_is_reordered(tmp_path: Path, order: str) -> None:
    config = run_config("hiptrack", "mtl_hard")
    folder, weights = saved(tmp_path / "run", config)
    rename_classes(folder / "model.safetensors", CLASS_ORDERS[order])
    after, _, _ = start(config, folder)
    rows = [CLASS_ORDERS[order].index(name) for name in CONDITIONS]
    assert torch.equal(after["condition_head.fc2.bias"], weights["condition_head.fc2.bias"][rows])


def test_a_head_of_unknown_classes_stays_fresh(tmp_path: Path) -> None:
    config = run_config("hiptrack", "mtl_hard")
    folder, weights = saved(tmp_path / "run", config)
    rename_classes(folder / "model.safetensors", ("fog", *CONDITIONS[1:]))
    after, report, before = start(config, folder)
    assert torch.equal(after["condition_head.fc2.bias"], before["condition_head.fc2.bias"])
    assert torch.equal(after["key_comp.bias"], weights["key_comp.bias"])
    assert "fog" in report.notes[0]


def test_an_import_of_a_part_fills_what_it_has(tmp_path: Path) -> None:
    for family, name, state in (
        ("simtrack", "clip", small_clip().state_dict()),
        ("hiptrack", "timm", small_vit().state_dict()),
    ):
        torch.save(state, tmp_path / f"{name}.pth")
        config = run_config(family, "mtl_hard")
        imported = import_files([tmp_path / f"{name}.pth"], Wishes(name, config))
        save_import(imported, tmp_path / name)
        after, report, before = start(config, tmp_path / name)
        for entry, tensor in after.items():
            assert torch.equal(tensor, imported.weights.get(entry, before[entry])), entry
        assert set(report.taken) == imported.weights.keys()
        assert set(report.missing) == before.keys() - imported.weights.keys()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"search": {"size": 96, "factor": 4.0}}, "set model.search.size=64"),
        ({"prompt": {"key_width": 4, "encoder_width": 4}}, "set model.prompt.key_width=8"),
    ],
)
def test_another_size_is_refused_with_the_key_to_change(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    folder, _ = saved(tmp_path / "run", run_config("hiptrack"))
    message = refused(run_config("hiptrack", **changes), folder)
    assert words in message
    assert message.count("(") == 2


def test_a_deeper_part_is_refused(tmp_path: Path) -> None:
    torch.save(small_vit().state_dict(), tmp_path / "vit.pth")
    config = run_config("hiptrack")
    save_import(import_files([tmp_path / "vit.pth"], Wishes("timm", config)), tmp_path / "vit")
    backbone = config.model.model_dump()["backbone"] | {"depth": 2, "elimination_blocks": (1,)}
    message = refused(run_config("hiptrack", backbone=backbone), tmp_path / "vit")
    assert "set model.backbone.depth=3" in message


def test_another_family_is_refused(tmp_path: Path) -> None:
    folder, _ = saved(tmp_path / "run", run_config("simtrack"))
    assert "weights of simtrack, the model is hiptrack" in refused(run_config("hiptrack"), folder)


def test_a_published_file_must_be_imported_first(tmp_path: Path) -> None:
    config = run_config("hiptrack")
    torch.save(small_weights(config), tmp_path / "raw.pth")
    save_file(small_vit().state_dict(), tmp_path / "vit.safetensors")
    for name in ("raw.pth", "vit.safetensors"):
        assert f"run `mtl import {tmp_path / name} " in refused(config, tmp_path / name)


def test_missing_empty_and_damaged_files_are_refused(tmp_path: Path) -> None:
    config = run_config("hiptrack")
    assert "does not exist" in refused(config, tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    assert "holds no model.safetensors" in refused(config, tmp_path / "empty")
    folder, _ = saved(tmp_path / "run", config)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "cannot be read" in refused(config, file)
