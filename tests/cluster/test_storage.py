from __future__ import annotations

from pathlib import Path

import pytest

from cluster.storage import absolute_init, absolute_storage, absolute_weights
from mtl.config.load import load

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


def test_teachers_are_found_like_weights_and_others_are_left(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    words = ["model.init=weights", "teachers.det=runs/det", "teachers.seg=s3://bucket/seg"]
    config = absolute_weights(load("unified_demo", words), tmp_path, HOME)
    assert config.model.init == str(tmp_path / "weights")
    assert config.teachers.det == str(tmp_path / "runs" / "det")  # type: ignore[attr-defined]
    assert config.teachers.seg == "s3://bucket/seg"  # type: ignore[attr-defined]
    assert config.teachers.cls is None  # type: ignore[attr-defined]
    words = ["train_type=sequential", "teachers.seg=runs/seg"]  # whose last phase learns cls
    config = absolute_weights(load("unified_demo", words), tmp_path, HOME)
    assert config.teachers.seg == str(tmp_path / "runs" / "seg")  # type: ignore[attr-defined]
    assert absolute_weights(load("demo"), tmp_path, HOME) == load("demo")
