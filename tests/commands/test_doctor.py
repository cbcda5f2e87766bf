"""`mtl doctor`, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtl.__main__ import main


def test_a_machine_is_described_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for word in ("python", "torch", "processors", "memory", "GPU", "ok"):
        assert word in text


def test_a_run_that_cannot_start_is_status_1_and_every_reason_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    words = [f"storage={tmp_path}/file", f"data.root={tmp_path}/absent"]
    assert main(["doctor", "hiptrack_small", *words, "--json"]) == 1
    out, error = capsys.readouterr()
    assert error == "error: this machine is not ready (storage, data); do what the table says.\n"
    findings = {one["what"]: one for one in json.loads(out)}
    assert {"what", "level", "text"} == findings["storage"].keys()
    assert findings["storage"]["level"] == findings["data"]["level"] == "error"
    assert findings["python"]["level"] == "ok"


def test_keys_alone_change_the_demo_and_a_wrong_one_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", f"storage={tmp_path}"]) == 0
    assert "train, val can be read" in capsys.readouterr().out
    assert main(["doctor", "data.rot=x"]) == 1
    assert "did you mean 'data.root'" in capsys.readouterr().err
