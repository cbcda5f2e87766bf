from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtl.errors import DataError
from mtl.tracking.video.picture_folder import PictureFolder
from tests.data.sequence_files import jpeg, picture, png
from tests.data.stale_files import StaleFiles


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 100, 1):
        (tmp_path / f"f{number}.png").write_bytes(png(np.full((8, 8, 3), number, np.uint8)))
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._f1.png").write_bytes(b"of another system")
    folder = PictureFolder(tmp_path, 1000)
    frames = list(folder.frames())
    assert [int(f.image[0, 0, 0]) for f in frames if f.image is not None] == [1, 9, 10, 100]
    assert folder.num_frames == 4
    assert [frame.seconds for frame in frames] == [0.0, 0.04, 0.08, 0.12]


def test_a_broken_picture_is_a_broken_frame(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(picture(number)))
    data = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(data[: len(data) // 2])
    frames = list(PictureFolder(tmp_path, 10_000).frames())
    assert [frame.image is None for frame in frames] == [False, True, False]
    assert "1.jpg is cut off" in str(frames[1].problem)


def test_a_picture_in_a_storage_that_is_away_is_a_broken_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(picture(number)))
    folder = PictureFolder(tmp_path, 10_000)
    StaleFiles(monkeypatch, "1.jpg")
    frames = list(folder.frames())
    assert [frame.image is None for frame in frames] == [False, True]
    assert "Stale file handle" in str(frames[1].problem)


def test_a_picture_with_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    (tmp_path / "0.jpg").write_bytes(jpeg(picture(0)))
    (frame,) = PictureFolder(tmp_path, 100).frames()
    assert frame.image is None
    assert "more than" in str(frame.problem)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._f1.png").write_bytes(b"of another system")
    with pytest.raises(DataError, match=r"holds no picture \(\.jpg, "):
        PictureFolder(tmp_path, 100)
