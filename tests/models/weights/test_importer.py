"""Files of the wrong family, and what an import leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torchvision

from mtl.errors import CheckpointError, ConfigError
from mtl.models.build import build_model
from mtl.models.model_file import load_model, open_model
from mtl.models.weights import save_import
from tests.models.weights.importing import PYSOT, bring, flat, other_names, refused
from tests.models.weights.sources import (
    run_config,
    save_official,
    small_clip,
    small_vit,
    small_weights,
)


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
