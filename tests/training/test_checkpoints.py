from __future__ import annotations

import builtins
import errno
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.fs
import pytest

from mtl import files
from mtl.errors import CheckpointError
from mtl.training.checkpoints import Checkpoints
from mtl.training.manifest import MANIFEST
from mtl.training.run_folder import RunFolder
from mtl.training.state import FILES, TrainingState
from tests.training.states import same, state_at

OLDER, NEWER = "step-00000008", "step-00000016"
EVERY_FILE = sorted(FILES | {MANIFEST})
ELSEWHERE = ["a disk", "an object store"]


def checkpoints_in(folder: Path, where: str = "a disk") -> Checkpoints:
    """Of a folder on this disk, or on a file system that is not known to be this disk."""
    if where == "a disk":
        return Checkpoints(pyarrow.fs.LocalFileSystem(), f"{folder}/checkpoints")
    folder.mkdir(parents=True, exist_ok=True)
    remote = pyarrow.fs.SubTreeFileSystem(str(folder), pyarrow.fs.LocalFileSystem())
    return Checkpoints(remote, "checkpoints")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """The folder of a run's checkpoints, after 8 and 16 steps."""
    for step in (8, 16):
        checkpoints_in(tmp_path).save(state_at(step), {"seed": 1}, keep=2)
    return tmp_path / "checkpoints"


@pytest.mark.parametrize("where", ELSEWHERE)
def test_the_newest_state_comes_back_bit_for_bit(where: str, tmp_path: Path) -> None:
    for step in (8, 16, 100):
        checkpoints_in(tmp_path, where).save(state_at(step), {}, keep=3)
    found = checkpoints_in(tmp_path, where).last()
    assert same(found.state, state_at(100))
    assert (found.name, found.told) == ("step-00000100", [])


def test_a_copy_of_a_state_does_not_change_with_the_next_step() -> None:
    state = state_at(8)
    copy = state.snapshot()
    assert same(copy, state_at(8))
    assert state.optimizer is not None
    for tensors in (state.model, state.totals, state.optimizer["state"][0]):
        for tensor in tensors.values():
            tensor.add_(1)
    state.optimizer["param_groups"][0]["lr"] = 7.0
    state.history.append({"epoch": 9})
    assert same(copy, state_at(8))
    assert not same(copy, state)


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_run_without_checkpoints_begins(where: str, tmp_path: Path) -> None:
    found = checkpoints_in(tmp_path, where).last()
    assert same(found.state, TrainingState())
    assert (found.name, found.told) == (None, [])


def places(size: int) -> list[int]:
    """Byte places of a file: all near its ends, and some between."""
    ends = [*range(24), *range(size - 24, size)]
    return sorted({place for place in [*ends, *range(0, size, 61)] if 0 <= place < size})


@pytest.mark.parametrize("victim", EVERY_FILE)
def test_a_file_cut_short_at_any_byte_means_the_state_before(victim: str, two: Path) -> None:
    file = two / NEWER / victim
    whole = file.read_bytes()
    for size in places(len(whole)):
        file.write_bytes(whole[:size])
        assert_the_state_before(two, size)
    file.write_bytes(whole)
    assert same(checkpoints_in(two.parent).last().state, state_at(16))


@pytest.mark.parametrize("victim", EVERY_FILE)
def test_a_flipped_bit_at_any_byte_means_the_state_before(victim: str, two: Path) -> None:
    file = two / NEWER / victim
    whole = file.read_bytes()
    for place in places(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        file.write_bytes(changed)
        # White space and the case of an escape mean the same in JSON: then nothing was changed.
        if victim == MANIFEST and readable(changed) == json.loads(whole):
            continue
        assert_the_state_before(two, place)


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("victim", EVERY_FILE)
def test_a_missing_file_means_the_state_before(where: str, victim: str, tmp_path: Path) -> None:
    for step in (8, 16):
        checkpoints_in(tmp_path, where).save(state_at(step), {}, keep=2)
    (tmp_path / "checkpoints" / NEWER / victim).unlink()
    found = checkpoints_in(tmp_path, where).last()
    assert same(found.state, state_at(8))
    assert found.name == OLDER


def test_a_file_that_grew_means_the_state_before(two: Path) -> None:
    with open(two / NEWER / "state.json", "ab") as file:
        file.write(b" ")
    assert_the_state_before(two, 0)


def readable(content: bytes | bytearray) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None


def assert_the_state_before(two: Path, place: int) -> None:
    found = checkpoints_in(two.parent).last()
    assert found.name == OLDER, place
    assert same(found.state, state_at(8)), place
    (told,) = found.told
    assert told.startswith(f"checkpoint {two}/{NEWER} cannot be used: "), place
    assert told.endswith(f"; going on from {OLDER} instead."), place


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (lambda x: (x / "optimizer.pt").write_bytes(b"abc"), "optimizer.pt has 3 bytes instead of"),
        (lambda x: (x / "totals.safetensors").unlink(), "totals.safetensors is missing"),
        (lambda x: (x / MANIFEST).unlink(), "it has no manifest, which is written last"),
        (lambda x: (x / MANIFEST).write_text("[]"), "its manifest cannot be read (TypeError)"),
        (lambda x: listed(x, format=2), "its manifest has format 2, this version reads 1"),
        (lambda x: listed(x, files={}), "its manifest does not name model.safetensors, optimizer"),
        (lambda x: added(x, "../secret"), "../secret is missing"),
    ],
)
def test_what_is_wrong_is_said(harm: Callable[[Path], object], fault: str, two: Path) -> None:
    harm(two / NEWER)
    (told,) = checkpoints_in(two.parent).last().told
    assert fault in told
    assert told.count(". ") == 0


def listed(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | changes))


def added(folder: Path, name: str) -> None:
    (folder.parent / Path(name).name).write_bytes(b"")
    files = json.loads((folder / MANIFEST).read_text())["files"]
    listed(folder, files=files | {name: {"bytes": 0, "sha256": ""}})


def test_where_none_can_be_used_one_sentence_says_why(two: Path) -> None:
    (two / OLDER / "optimizer.pt").write_bytes(b"")
    (two / NEWER / MANIFEST).unlink()
    with pytest.raises(CheckpointError) as caught:
        checkpoints_in(two.parent).last()
    text = str(caught.value)
    assert f"checkpoint {two}/{NEWER} cannot be used: it has no manifest" in text
    assert f"checkpoint {two}/{OLDER} cannot be used: optimizer.pt has 0 bytes" in text
    assert text.endswith("; put a copy of one of them back, or train anew under another name=.")
    assert ". " not in text


def test_a_damaged_only_checkpoint_is_no_reason_to_begin_again(tmp_path: Path) -> None:
    checkpoints_in(tmp_path).save(state_at(8), {}, keep=2)
    (tmp_path / "checkpoints" / OLDER / "state.json").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"state\.json has 0 bytes"):
        checkpoints_in(tmp_path).last()


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_run_whose_first_save_was_interrupted_begins_again(where: str, tmp_path: Path) -> None:
    checkpoints_in(tmp_path, where).save(state_at(8), {}, keep=2)
    for name in (MANIFEST, "state.json"):
        (tmp_path / "checkpoints" / OLDER / name).unlink()
    found = checkpoints_in(tmp_path, where).last()
    assert same(found.state, TrainingState())
    (told,) = found.told
    assert told.endswith("; going on from the beginning instead.")


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_run_whose_first_two_saves_were_interrupted_begins_again(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second under another name, as that of a run that was asked to stop has."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mtl.training.checkpoints.put", interrupted)
    for step in (8, 7):
        assert same(checkpoints_in(tmp_path, where).last().state, TrainingState())
        with pytest.raises(KeyboardInterrupt):
            checkpoints_in(tmp_path, where).save(state_at(step), {}, keep=2)
    assert same(checkpoints_in(tmp_path, where).last().state, TrainingState())


def test_a_checkpoint_of_before_manifests_is_refused(two: Path) -> None:
    shutil.rmtree(two / OLDER)
    old = two / NEWER
    (old / MANIFEST).unlink()
    progress = json.loads((old / "state.json").read_text())
    (old / "state.json").write_text(json.dumps(progress | {"format": 2}))
    with pytest.raises(CheckpointError, match="it has format 2, this version reads 3; go on with"):
        checkpoints_in(two.parent).last()


@pytest.mark.parametrize("where", ELSEWHERE)
def test_the_last_are_kept_and_what_interrupted_saves_left_is_not(
    where: str, tmp_path: Path
) -> None:
    checkpoints = checkpoints_in(tmp_path, where)
    for step in (1, 2, 3):
        checkpoints.save(state_at(step), {}, keep=2)
    assert checkpoints.names() == ["step-00000002", "step-00000003"]
    (tmp_path / "checkpoints" / "step-00000003" / MANIFEST).unlink()
    assert checkpoints.complete() == ["step-00000002"]
    checkpoints.save(state_at(4), {}, keep=2)
    assert checkpoints.names() == ["step-00000002", "step-00000004"]


def test_a_damaged_checkpoint_does_not_push_out_the_one_before(two: Path) -> None:
    (two / NEWER / "optimizer.pt").write_bytes(b"")
    checkpoints = checkpoints_in(two.parent)
    checkpoints.last()
    checkpoints.save(state_at(24), {}, keep=2)
    assert checkpoints.names() == [OLDER, "step-00000024"]


def test_a_checkpoint_is_written_over_what_an_interrupted_save_left(two: Path) -> None:
    (two / NEWER / MANIFEST).unlink()
    (two / NEWER / "model.safetensors").write_bytes(b"half")
    (two / NEWER / "stray").write_bytes(b"")
    checkpoints_in(two.parent).save(state_at(16), {}, keep=2)
    assert sorted(file.name for file in (two / NEWER).iterdir()) == EVERY_FILE
    assert same(checkpoints_in(two.parent).last().state, state_at(16))


def test_a_run_is_finished_when_its_last_checkpoint_is_whole(tmp_path: Path) -> None:
    folder = RunFolder(str(tmp_path), "a")
    folder.checkpoints.save(state_at(16), {}, keep=2)
    assert not folder.finished()
    folder.checkpoints.save(state_at(16, finished=True), {}, keep=2)
    assert folder.finished()
    (tmp_path / "a" / "checkpoints" / f"{NEWER}-final" / MANIFEST).unlink()
    assert not folder.finished()


def answer(monkeypatch: pytest.MonkeyPatch, victim: str, number: int, after: int = 0) -> None:
    """Let opening the newest checkpoint's file fail so, but for the first times."""
    opened: list[str] = []

    def tried(file: Any, *args: Any, **kwargs: Any) -> Any:
        if str(file).endswith(f"{NEWER}/{victim}"):
            opened.append(victim)
            if len(opened) > after:
                raise OSError(number, os.strerror(number), str(file))
        return builtins.open(file, *args, **kwargs)

    monkeypatch.setattr(io, "open", tried)
    monkeypatch.setattr(files, "open", tried, raising=False)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.ETIMEDOUT, errno.ECONNRESET])
@pytest.mark.parametrize(
    ("victim", "after"), [(MANIFEST, 0), ("model.safetensors", 0), ("state.json", 2)]
)
def test_a_checkpoint_in_a_storage_that_is_away_is_not_damaged(
    victim: str, after: int, number: int, two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        answer(patch, victim, number, after)
        with pytest.raises(OSError, match=os.strerror(number)):
            checkpoints_in(two.parent).last()
    assert checkpoints_in(two.parent).last().name == NEWER


@pytest.mark.parametrize("victim", [MANIFEST, "model.safetensors"])
def test_a_checkpoint_that_a_disk_cannot_read_means_the_state_before(
    victim: str, two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, victim, errno.EIO)
    assert_the_state_before(two, 0)
