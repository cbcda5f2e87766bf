from __future__ import annotations

from pathlib import Path

import pytest

from mtl.config.load import load
from mtl.doctor.finding import Finding, Level
from mtl.doctor.run import run_findings
from mtl.models.build import build_model
from mtl.models.model_file import save_model
from tests.data.sequence_files import write_root, write_sequence
from tests.data.stale_files import StaleFiles

KEYS = ("training.batch_size=4", "training.samples_per_epoch=4", "evaluation.splits=[val]")


def found(tmp_path: Path, *words: str) -> dict[str, Finding]:
    config = load("demo", ["name=x", f"storage={tmp_path}/runs", *KEYS, *words])
    return {one.what: one for one in run_findings(config)}


def test_a_run_that_can_start_has_storage_data_and_disk(tmp_path: Path) -> None:
    root = write_root(tmp_path / "data")
    findings = found(tmp_path, f"data.root={root}")
    assert {what: one.level for what, one in findings.items()} == {
        "storage": Level.OK,
        "data": Level.OK,
        "disk": Level.OK,
    }
    assert findings["data"].text == "train, val can be read"
    assert findings["disk"].text.startswith("1 x 3 checkpoints of ")


def test_absent_data_is_an_error_that_names_it(tmp_path: Path) -> None:
    findings = found(tmp_path, f"data.root={tmp_path}/absent")
    assert findings["data"].level is Level.ERROR
    assert f"data.root {tmp_path}/absent does not exist" in findings["data"].text
    assert findings["storage"].level is Level.OK


def test_what_is_left_out_of_the_data_is_a_warning(tmp_path: Path) -> None:
    root = write_root(tmp_path / "data")
    write_sequence(root / "train" / "broken", boxes="1,2,3\n")
    findings = found(tmp_path, f"data.root={root}", "data.on_error=skip")
    assert findings["data"].level is Level.WARNING
    assert findings["data"].text.startswith("1 left out of train: ")


def test_weights_must_be_there_and_fit(tmp_path: Path) -> None:
    data = f"data.root={write_root(tmp_path / 'data')}"
    config = load("demo", ["mode=finetune_bbox"])
    weights = tmp_path / "model.safetensors"
    save_model(weights, build_model(config).state_dict(), config, {})
    assert found(tmp_path, data, f"model.init={weights}")["weights"].level is Level.OK
    bad = found(tmp_path, data, f"model.init={tmp_path}/absent")["weights"]
    assert bad.level is Level.ERROR
    assert "absent does not exist" in bad.text


def test_data_in_a_storage_that_is_away_is_an_error_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_root(tmp_path / "data")
    StaleFiles(monkeypatch, "groundtruth.txt")
    findings = found(tmp_path, f"data.root={root}")
    assert findings["data"].level is Level.ERROR
    assert "did not answer ([Errno 116] Stale file handle" in findings["data"].text
