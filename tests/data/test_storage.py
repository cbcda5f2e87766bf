from __future__ import annotations

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl.data.storage import absolute, is_plain_name, join, list_folder, read_bytes, stat


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
