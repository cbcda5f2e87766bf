from __future__ import annotations

from pathlib import Path

import pytest

from cluster.storage import absolute_storage

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
