"""`mtl import`, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mtl.__main__ import main
from mtl.commands.import_ import CLASS_ORDERS, FAMILIES
from mtl.config.load import to_yaml
from mtl.models.class_order import ORDERS
from mtl.models.model_file import open_model
from mtl.models.weights.kinds import FAMILIES as KNOWN
from tests.models.weights.sources import (
    run_config,
    save_official,
    save_script,
    small_clip,
    small_weights,
)


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A YAML file of a small HIPTrack."""
    (tmp_path / "small.yaml").write_text(to_yaml(run_config("hiptrack")))
    return str(tmp_path / "small.yaml")


def test_the_parser_offers_what_there_is() -> None:
    assert set(FAMILIES) == set(KNOWN)
    assert set(CLASS_ORDERS) == set(ORDERS)


def test_an_official_checkpoint_becomes_a_model(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = small_weights(run_config("hiptrack"))
    file = save_official(tmp_path / "HIPTrack_ep0100.pth.tar", weights, "HIPTrack")
    words = ["import", str(file), "--family", "hiptrack", "--out", str(tmp_path / "out")]
    assert main([*words, "--config", config]) == 0
    said = capsys.readouterr().out
    assert f"HIPTrack_ep0100.pth.tar as hiptrack: {len(weights)} taken\n" in said
    assert f"model.init={tmp_path / 'out'}" in said
    model, _ = open_model(tmp_path / "out")
    assert torch.equal(model.state_dict()["key_comp.bias"], weights["key_comp.bias"])
    assert main([*words, "--config", config]) == 1
    assert "not an empty folder" in capsys.readouterr().err


def test_a_part_says_that_it_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = save_script(small_clip(), tmp_path / "clip.pt")
    (tmp_path / "small.yaml").write_text(to_yaml(run_config("simtrack")))
    words = ["import", str(file), "--family", "clip", "--out", str(tmp_path / "out")]
    assert main([*words, "--config", str(tmp_path / "small.yaml"), "seed=3"]) == 0
    said = capsys.readouterr().out
    assert "it fills a part of a model" in said
    assert "ignored" in said
    assert json.loads((tmp_path / "out" / "import_report.json").read_text())["renamed"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ([], "is of another size"),
        (["--config", "simtrack"], "--config describes a simtrack"),
        (["--config", "model.serch.size=64"], "did you mean 'model.search'"),
        (["--config", "nosuch"], "neither a preset nor a YAML file"),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, extra: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(small_weights(run_config("hiptrack")), tmp_path / "x.pth")
    out = tmp_path / "out"
    words = ["import", str(tmp_path / "x.pth"), "--family", "hiptrack", "--out", str(out)]
    assert main([*words, *extra]) == 1
    streams = capsys.readouterr()
    assert message in streams.err
    assert streams.err.count("\n") == 1
    assert streams.out == ""
    assert not out.exists()
