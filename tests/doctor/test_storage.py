from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mtl.doctor.finding import Level
from mtl.doctor.storage import Probe, SharedStorage, WritableStorage


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_storage_that_can_be_written_is_left_as_it_was(tmp_path: Path, scheme: str) -> None:
    (found,) = WritableStorage(f"{scheme}{tmp_path}/runs").findings()
    assert (found.level, list((tmp_path / "runs").iterdir())) == (Level.OK, [])


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (found,) = WritableStorage(f"{tmp_path}/file").findings()
    assert found.level is Level.ERROR
    assert found.text == (
        f"storage={tmp_path}/file cannot be written (Not a directory); correct its permissions or "
        "set storage= to another folder or URI."
    )


@pytest.mark.parametrize("storage", ["nosuch://bucket/runs", "s3:///runs"])
def test_a_uri_of_no_known_scheme_or_without_a_bucket_is_refused(storage: str) -> None:
    (found,) = WritableStorage(storage).findings()
    assert found.level is Level.ERROR
    assert found.text.startswith(f"storage={storage} cannot be opened (")
    assert "give a folder that all nodes reach, or a s3:// or gs:// URI." in found.text


@pytest.mark.slow  # arrow tries again for ten seconds
def test_a_store_that_nobody_serves_is_refused_with_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    storage = "s3://key:secret@bucket/runs?endpoint_override=127.0.0.1:1&scheme=http&region=x"
    (found,) = WritableStorage(storage).findings()
    assert found.level is Level.ERROR
    assert "cannot be written (" in found.text


def test_machines_see_each_other_in_a_shared_storage_only(tmp_path: Path) -> None:
    probe = Probe(f"{tmp_path}/shared")
    probe.leave("driver")
    check = SharedStorage(probe, "driver", "node")
    assert [one.level for one in check.findings()] == [Level.OK]
    assert probe.sees("node")
    elsewhere = replace(probe, storage=f"{tmp_path}/other")
    (found,) = replace(check, probe=elsewhere).findings()
    assert found.level is Level.ERROR
    assert "other is not the folder that the command writes to; set storage=" in found.text
    probe.remove()
    assert list((tmp_path / "shared").iterdir()) == []
