"""Weights by the name that timm publishes them under, from the cache of huggingface_hub alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from mtl.errors import CheckpointError
from mtl.models.weights.hub import local_file

NAME = "timm:test_efficientnet.r160_in1k"
REVISION = "0" * 40


def imported(cache: Path, out: Path, word: str) -> subprocess.CompletedProcess[str]:
    """`mtl import` with a cache and no network."""
    words = ["import", word, "--family", "unified", "--out", str(out), "--config", "unified_plus"]
    return subprocess.run(
        [sys.executable, "-m", "mtl", *words, "model.backbone.name=test_efficientnet"],
        env=os.environ | {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )


def test_a_name_is_what_was_downloaded_under_it(tmp_path: Path) -> None:
    model = timm.create_model("test_efficientnet")
    folder = tmp_path / "models--timm--test_efficientnet.r160_in1k"
    snapshot = folder / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(REVISION)
    save_file(model.state_dict(), snapshot / "model.safetensors")
    result = imported(tmp_path, tmp_path / "out", NAME)
    assert result.returncode == 0, result.stderr
    weights = load_file(tmp_path / "out" / "model.safetensors")
    assert torch.equal(weights["backbone.conv_stem.weight"], model.conv_stem.weight)
    report = json.loads((tmp_path / "out" / "import_report.json").read_text())
    assert len(report["files"]) == 1


def test_without_a_network_a_file_is_asked_for(tmp_path: Path) -> None:
    result = imported(tmp_path, tmp_path / "out", NAME)
    assert result.returncode != 0
    (line,) = result.stderr.splitlines()
    assert f"{NAME} cannot be downloaded from huggingface.co/timm/test_efficientnet" in line
    assert line.endswith("Give a file that was downloaded elsewhere.")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["nothing", "test_efficientnet.nope", "efficientnet_b8", ""])
def test_what_timm_does_not_publish_is_refused(name: str) -> None:
    with pytest.raises(CheckpointError, match=f"timm:{name} must name a model that timm publish"):
        local_file(f"timm:{name}")


def test_a_path_stays_one() -> None:
    assert local_file("weights/timm.pth") == Path("weights/timm.pth")
