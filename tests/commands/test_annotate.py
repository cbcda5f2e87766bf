"""`mtl annotate`, as a user calls it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtl.__main__ import main
from tests.data.sequence_files import write_root
from tests.data.stale_files import StaleFiles


def test_a_storage_that_is_away_ends_a_command_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_root(tmp_path / "data", train=1)
    StaleFiles(monkeypatch)
    assert main(["annotate", str(root), str(tmp_path / "labels")]) == 1
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("error: the storage or network did not answer ([Errno 116] Stale")
    assert error.count("\n") == 1
