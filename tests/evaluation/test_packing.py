from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtl.errors import DataError, ShapeError
from mtl.evaluation.got10k_files import write_result
from mtl.evaluation.one_pass import TrackedSequence
from mtl.evaluation.packing import Expected, pack_got10k, pack_trackingnet

BOXES = np.array([[1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6.0]])
EXPECTED = [Expected("a", 3, BOXES[0]), Expected("b", 3, BOXES[0])]
PACKERS = pytest.mark.parametrize("pack", [pack_got10k, pack_trackingnet])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for name in ("a", "b", "other"):
        tracked = TrackedSequence(BOXES, np.array([0.1, 0.2, 0.3]))
        write_result(tmp_path / "results", "ours", name, tracked)
    return tmp_path / "results"


def test_got10k_takes_boxes_and_times_in_folders(results: Path, tmp_path: Path) -> None:
    pack_got10k(results, "ours", EXPECTED, tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert sorted(archive.namelist()) == [
            "a/a_001.txt", "a/a_time.txt", "b/b_001.txt", "b/b_time.txt",
        ]  # fmt: skip
        assert archive.testzip() is None
        assert archive.read("a/a_001.txt") == (results / "ours/a/a_001.txt").read_bytes()


def test_trackingnet_takes_boxes_without_folders(results: Path, tmp_path: Path) -> None:
    pack_trackingnet(results, "ours", EXPECTED, tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert sorted(archive.namelist()) == ["a.txt", "b.txt"]
        lines = archive.read("b.txt").decode().splitlines()
    assert np.array([line.split(",") for line in lines], float).tolist() == BOXES.tolist()


@PACKERS
def test_equal_results_give_equal_archives(
    results: Path, tmp_path: Path, pack: Callable[..., None]
) -> None:
    for name in ("one.zip", "two.zip"):
        pack(results, "ours", EXPECTED, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


@PACKERS
def test_missing_sequences_are_counted_and_named(
    results: Path, tmp_path: Path, pack: Callable[..., None]
) -> None:
    more = [*EXPECTED, Expected("c", 3, BOXES[0]), Expected("d", 3, BOXES[0])]
    with pytest.raises(DataError, match=r"no results for 2 of 4 sequences \(c and 1 more\)"):
        pack(results, "ours", more, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ("1,2,3,4\n2,3,4,5\n", "2 boxes but .* 3 times"),
        ("1,2,3,4\n2,3,nan,5\n3,4,5,6\n", "a_001.txt, line 2: a box must be"),
        ("9,2,3,4\n2,3,4,5\n3,4,5,6\n", r"a_001.txt, line 1: must be the given box"),
        ("", "a_001.txt is empty"),
    ],
)
@PACKERS
def test_broken_results_are_not_packed(
    results: Path, tmp_path: Path, pack: Callable[..., None], boxes: str, message: str
) -> None:
    (results / "ours" / "a" / "a_001.txt").write_text(boxes)
    (tmp_path / "out.zip").write_bytes(b"before")
    with pytest.raises((DataError, ShapeError), match=message):
        pack(results, "ours", EXPECTED, tmp_path / "out.zip")
    assert (tmp_path / "out.zip").read_bytes() == b"before"


@PACKERS
def test_results_of_another_number_of_frames_are_not_packed(
    results: Path, tmp_path: Path, pack: Callable[..., None]
) -> None:
    with pytest.raises(DataError, match=r"a_001\.txt has 3 boxes for 4 frames"):
        pack(results, "ours", [Expected("a", 4, BOXES[0])], tmp_path / "out.zip")


@PACKERS
def test_nothing_to_pack_is_said(results: Path, tmp_path: Path, pack: Callable[..., None]) -> None:
    with pytest.raises(DataError, match="no sequence to pack"):
        pack(results, "ours", [], tmp_path / "out.zip")
