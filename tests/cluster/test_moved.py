"""Configs of runs whose storage lies elsewhere now."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.moved import moved
from cluster.preflight import check_name, saved_config
from mtl.config.load import load, to_yaml
from mtl.config.unified_run import UnifiedRunConfig
from mtl.families import family_of
from mtl.training.run_folder import RunFolder


@pytest.mark.parametrize(
    ("before", "now", "path", "wanted"),
    [
        ("/a/runs", "/b/runs", "/a/runs/x/teachers/det", "/b/runs/x/teachers/det"),
        ("/a/runs/x/retention", "/b/runs/x/retention", "/a/runs/x/seg", "/b/runs/x/seg"),
        ("/a/runs", "/a/others", "/a/runs/x", "/a/others/x"),
        ("/a/runs", "/a/others", "/a/runs2/x", "/a/runs2/x"),
        ("/a/runs", "/b/kept/runs", "/c/elsewhere", "/c/elsewhere"),
        ("/runs", "s3://bucket/runs", "/runs/x", "s3://bucket/runs/x"),
        ("/a/runs", "s3://bucket/runs", "/a/runs/x", "s3://bucket/runs/x"),
        ("/a", "/a", "/a/x", "/a/x"),
    ],
)
def test_what_lay_beside_the_run_lies_beside_it_still(
    before: str, now: str, path: str, wanted: str
) -> None:
    values = {"teachers": {"det": path}, "sides": [path, 3], "none": None}
    kept = {"teachers": {"det": wanted}, "sides": [wanted, 3], "none": None}
    assert moved(values, before, now) == kept


def test_a_moved_run_has_its_teachers_in_the_new_place(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    config = family_of(load("unified_demo", [f"storage={old}", "name=a"])).prepared()
    RunFolder(str(old), "a").write_text("config.yaml", to_yaml(config))
    old.rename(new)
    folder = RunFolder(str(new), "a")
    saved = saved_config(folder)
    assert isinstance(saved, UnifiedRunConfig)
    assert saved.teachers.det == f"{new}/a/teachers/det"
    words = [f"storage={new}", "name=a", "resume=true"]
    check_name(family_of(load("unified_demo", words)).prepared(), folder)
