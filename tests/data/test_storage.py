from __future__ import annotations

from types import SimpleNamespace

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl.data import storage
from mtl.data.storage import (
    absolute,
    is_plain_name,
    join,
    list_folder,
    list_names,
    read_bytes,
    stat,
)
from mtl.errors import AwayError
from tests.data.stale_files import StaleFiles


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    place = str(tmp_path) if request.param == "local" else "memory://mtl-storage/folder"
    with fsspec.open(join(place, "a.txt"), "wb") as file:
        file.write(b"abc")
    with fsspec.open(join(place, "sub", "b.txt"), "wb") as file:
        file.write(b"")
    return place


def test_listing_reading_and_asking_work_alike_everywhere(folder):
    entries = list_folder(folder)
    assert [(entry.name, entry.is_folder) for entry in entries] == [("a.txt", False), ("sub", True)]
    assert entries[0].size == 3
    assert read_bytes(join(folder, "a.txt")) == b"abc"
    assert stat(join(folder, "sub")).is_folder
    assert stat(join(folder, "none")) is None
    with pytest.raises(FileNotFoundError):
        list_folder(join(folder, "none"))
    with pytest.raises(FileNotFoundError):
        read_bytes(join(folder, "none"))


def test_names_are_joined_before_a_query():
    root = "s3://bucket/data?endpoint_override=localhost:9000"
    assert join(root, "train", "a") == ("s3://bucket/data/train/a?endpoint_override=localhost:9000")
    assert join("/data/", "train") == "/data/train"
    assert absolute("gs://bucket/data/") == "gs://bucket/data"
    assert absolute("file:///data/a%20b/") == "/data/a b"


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "/etc/passwd", "a/b", "a\\b", "a\0"])
def test_names_that_leave_their_folder_are_recognised(name):
    assert not is_plain_name(name)


@given(st.text(st.characters(exclude_characters="/\\\0"), min_size=3))
def test_other_names_stay(name):
    assert is_plain_name(name) == (name.strip(".") != "" or len(name) > 2)


@pytest.mark.parametrize("call", [list_folder, list_names, stat])
def test_a_folder_that_is_away_for_a_while_is_asked_again(call, tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    want = call(str(tmp_path / "folder"))
    stale = StaleFiles(monkeypatch, "folder", times=2)
    assert call(str(tmp_path / "folder")) == want
    assert stale.waits == [0.5, 1.0]


@pytest.mark.parametrize("call", [read_bytes, list_folder, list_names, stat])
def test_a_busy_object_store_is_asked_so_often_and_no_more(call, monkeypatch):
    asked = []

    def busy(place):
        asked.append(place)
        raise OSError("AWS Error SLOW_DOWN during GetObject operation: Please reduce your rate.")

    stale = StaleFiles(monkeypatch, "none of these")
    monkeypatch.setattr(storage, "_filesystem", busy)
    with pytest.raises(AwayError, match="SLOW_DOWN"):
        call("s3://bucket/a")
    assert len(asked) == 5
    assert stale.waits == [0.5, 1.0, 2.0, 4.0]


def test_a_bucket_that_cannot_be_reached_now_is_no_wrong_address(monkeypatch):
    def away(uri):
        raise OSError("AWS Error NETWORK_CONNECTION during HeadBucket: curlCode: 28, Timeout")

    stale = StaleFiles(monkeypatch, "none of these")
    monkeypatch.setattr(storage.fs, "FileSystem", SimpleNamespace(from_uri=away))
    with pytest.raises(AwayError, match="NETWORK_CONNECTION"):
        read_bytes("s3://away/a")
    assert len(stale.waits) == 4
