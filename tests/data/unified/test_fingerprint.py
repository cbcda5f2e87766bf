from __future__ import annotations

import os
import shutil

import fsspec
import pytest

from mtl.config.unified_data import UnifiedDataConfig
from mtl.data.unified.build import build_unified_index
from mtl.data.unified.fingerprint import fingerprint
from mtl.errors import AwayError
from tests.data.stale_files import StaleFiles
from tests.data.unified.set_files import write_voc


def index(root):
    return build_unified_index(UnifiedDataConfig(seg_root=str(root)), "train").seg


@pytest.mark.parametrize(
    "file", ["JPEGImages/2007_train_1.jpg", "SegmentationClass/2007_train_1.png"]
)
def test_another_size_or_time_of_an_image_or_a_mask_is_seen(tmp_path, file):
    seg = index(write_voc(tmp_path))
    place = tmp_path / "train" / file
    prints = [fingerprint(seg), fingerprint(seg)]
    os.utime(place, ns=(0, 5))
    prints.append(fingerprint(seg))
    place.write_bytes(b"x")
    os.utime(place, ns=(0, 5))
    prints.append(fingerprint(seg))
    place.unlink()
    prints.append(fingerprint(seg))
    assert None not in prints
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4


def test_a_folder_that_moves_as_it_is_stays_the_same(tmp_path):
    write_voc(tmp_path / "here")
    before = fingerprint(index(tmp_path / "here"))
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert fingerprint(index(tmp_path / "there")) == before


def test_a_store_that_tells_no_times_tells_of_no_changes(tmp_path):
    write_voc(tmp_path)
    fsspec.filesystem("memory").put(str(tmp_path), "/mtl-prints", recursive=True)
    assert fingerprint(index("memory://mtl-prints")) is None


def test_a_storage_that_is_away_says_nothing(tmp_path, monkeypatch):
    seg = index(write_voc(tmp_path))
    StaleFiles(monkeypatch, ".png")
    with pytest.raises(AwayError, match="Stale file handle"):
        fingerprint(seg)
