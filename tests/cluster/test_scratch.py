from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cluster.scratch import ABANDONED_S, PREFIX, remove_abandoned, scratch_folder


def test_what_a_killed_worker_left_is_removed_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = Path(scratch_folder())
    left, fresh = tmp_path / f"{PREFIX}{gone.pid}-a", tmp_path / f"{PREFIX}{gone.pid}-b"
    other = tmp_path / f"{PREFIX}notes-c"
    for folder in (left, fresh, other):
        folder.mkdir()
    (left / "model.safetensors").write_bytes(b"weights")
    for folder in (mine, left, other):
        os.utime(folder, (0, folder.stat().st_mtime - ABANDONED_S - 60))
    remove_abandoned()
    assert sorted(tmp_path.iterdir()) == sorted([mine, fresh, other])
