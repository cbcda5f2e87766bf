from __future__ import annotations

from pathlib import Path

import pytest

from cluster.storage import absolute_init, absolute_storage

HOME = Path("/home/me")
JOB = Path("/tmp/ray/session_1/runtime_resources/working_dir_files/_ray_pkg_1")


@pytest.mark.parametrize(
    ("storage", "here", "expected"),
    [
        ("runs", Path("/work/project"), "/work/project/runs"),
        ("/mnt/runs", Path("/work/project"), "/mnt/runs"),
        ("s3://bucket/runs", Path("/work/project"), "s3://bucket/runs"),
        ("runs", JOB, "/home/me/runs"),
        ("/mnt/runs", JOB, "/mnt/runs"),
    ],
)
def test_storage_means_the_same_to_every_process(storage: str, here: Path, expected: str) -> None:
    assert absolute_storage(storage, here, HOME) == expected


def test_weights_to_start_from_are_looked_for_beside_the_code_first(tmp_path: Path) -> None:
    job, home = tmp_path / "working_dir_files" / "code", tmp_path / "home"
    (job / "weights").mkdir(parents=True)
    assert absolute_init("weights", job, home) == str(job / "weights")
    assert absolute_init("runs/first", job, home) == str(home / "runs" / "first")
    assert absolute_init("/mnt/first", job, home) == "/mnt/first"
    assert absolute_init("absent", tmp_path, home) == str(tmp_path / "absent")
