from __future__ import annotations

import tempfile
from pathlib import Path

from mtl.doctor.disk import DiskSpace, ScratchSpace
from mtl.doctor.finding import Level

MORE_THAN_THERE_IS = 1 << 60


def test_a_disk_that_is_too_small_is_refused_with_the_arithmetic(tmp_path: Path) -> None:
    check = DiskSpace(f"{tmp_path}/not/yet", MORE_THAN_THERE_IS, "3 checkpoints", "make room")
    (found,) = check.findings()
    assert found.level is Level.ERROR
    assert found.text.startswith("3 checkpoints are 1073741824.0 GiB, ")
    assert found.text.endswith(f"are free on the disk of {tmp_path}/not/yet; make room.")
    assert DiskSpace(str(tmp_path), 1, "", "").findings()[0].level is Level.OK


def test_a_store_behind_a_uri_does_not_tell_its_space() -> None:
    (found,) = DiskSpace("s3://bucket/runs", MORE_THAN_THERE_IS, "3 checkpoints", "").findings()
    assert found.level is Level.OK
    assert "does not tell its space" in found.text


def test_a_checkpoint_must_fit_among_temporary_files() -> None:
    (found,) = ScratchSpace(MORE_THAN_THERE_IS).findings()
    assert (found.what, found.level) == ("temporary files", Level.ERROR)
    assert tempfile.gettempdir() in found.text
    assert "set TMPDIR" in found.text
