from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mtl.conditions import CONDITIONS
from mtl.config.load import load, load_text
from mtl.errors import CheckpointError, ConfigError
from mtl.models.model_file import load_model, save_model
from mtl.training.run_folder import RunFolder, RunWriter


def test_a_run_folder_behind_a_uri_is_the_same_folder(tmp_path: Path) -> None:
    local, remote = RunFolder(str(tmp_path), "a"), RunFolder(f"file://{tmp_path}", "a")
    remote.write_text("sub/note.txt", "ärger")
    assert local.read_text("sub/note.txt") == "ärger"
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ("/runs", "/runs/a"),
        ("s3://key:secret@bucket/runs?region=x", "s3://bucket/runs/a"),
    ],
)
def test_people_are_told_where_it_is_but_no_secret(storage: str, told: str) -> None:
    assert RunFolder(storage, "a").place == told


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_is_deleted_if_it_is_there(scheme: str, tmp_path: Path) -> None:
    folder = RunFolder(f"{scheme}{tmp_path}", "a")
    folder.write_text("checkpoints/list.json", "{}")
    for _ in range(2):
        folder.delete("checkpoints/list.json")
        assert not folder.has("checkpoints/list.json")


def test_storage_that_cannot_be_opened_is_named() -> None:
    with pytest.raises(ConfigError, match="storage=nosuch://place"):
        RunFolder("nosuch://place", "a")


def test_the_model_file_says_what_it_is(tmp_path: Path) -> None:
    config = load("demo")
    weights = {"a": torch.arange(4.0).reshape(2, 2).T}
    save_model(tmp_path / "m.safetensors", weights, config, {"iou": 0.5})
    read, metadata = load_model(tmp_path / "m.safetensors")
    assert torch.equal(read["a"], weights["a"])
    assert metadata["family"] == "hiptrack"
    assert json.loads(metadata["classes"]) == list(CONDITIONS)
    assert load_text(metadata["config"], "metadata") == config


@pytest.mark.parametrize("content", [b"", b"not a model file at all"])
def test_a_file_that_is_no_model_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"m\.safetensors"):
        load_model(file)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"m\.safetensors"):
        load_model(tmp_path / "m.safetensors")


def test_lines_and_curves_are_written(tmp_path: Path) -> None:
    from tensorboardX.proto.event_pb2 import Event

    folder = RunFolder(str(tmp_path), "a")
    writer = RunWriter(folder, load("demo"), first_step=0)
    writer.scalars("val", 3, {"loss/total": 1.5, "iou": 0.25, "confusion": [[1]], "epoch": 1})
    writer.lines([{"epoch": 1, "iou": 0.25}])
    writer.close()
    assert folder.exists()
    assert json.loads(folder.read_text("metrics.jsonl")) == {"epoch": 1, "iou": 0.25}
    (events,) = (tmp_path / "a" / "tensorboard" / "val").glob("events.out.tfevents.*")
    assert {value.tag for value in _values(events.read_bytes(), Event)} == {"Loss/total", "IoU"}


def _values(content: bytes, event_type: type) -> list:
    """Scalars of an event file: records of length (8 bytes), crc (4), event, crc (4)."""
    values, place = [], 0
    while place < len(content):
        size = int.from_bytes(content[place : place + 8], "little")
        event = event_type.FromString(content[place + 12 : place + 12 + size])
        values += list(event.summary.value)
        place += 16 + size
    return values
