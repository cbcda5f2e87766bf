"""A run's states where they are kept: `<run>/checkpoints/step-...`, each of them whole or not used.

No file system here can put a folder in its place in one step, but all can a file. So the manifest
of a checkpoint is written last, and a folder without one is what an interrupted save left.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.fs

from mtl.errors import CheckpointError, UnfinishedCheckpointError
from mtl.training.manifest import MANIFEST
from mtl.training.state import TrainingState
from mtl.training.storage import put

CHECKPOINTS = "checkpoints"
"""Name of the folder."""
STEP = "step-"
"""Begins the name of a checkpoint."""
EPOCH = "-epoch"
"""Ends the name of a checkpoint whose epoch is closed: validated, its lines written."""
FINAL = "-final"
"""Ends the name of a run's last checkpoint."""
CHUNK = 16 << 20
"""Bytes copied at a time."""


def checkpoint_name(state: TrainingState) -> str:
    """Name of a state's checkpoint; names sort as their states followed each other.

    After an epoch's last step there can be three, and each is written while the one before is
    still there: a run that stops keeps the step, then the epoch is closed, then all is evaluated.
    """
    end = FINAL if state.finished else "" if state.totals else EPOCH
    return f"{STEP}{state.step:08d}{end}"


class Found(NamedTuple):
    """Where a run goes on."""

    state: TrainingState
    """The newest that is whole, or a new one."""
    name: str | None
    """Of its checkpoint; none: the run begins."""
    told: list[str]
    """One sentence for each newer checkpoint that is not used."""


class Checkpoints:
    """The checkpoints of one run, on any file system that pyarrow opens."""

    def __init__(self, filesystem: pyarrow.fs.FileSystem, path: str) -> None:
        self.filesystem, self.path = filesystem, path
        self._refused: set[str] = set()

    def names(self) -> list[str]:
        """Of all that is there, whole or not, oldest first."""
        selector = pyarrow.fs.FileSelector(self.path, allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        folders = [x.base_name for x in found if x.type == pyarrow.fs.FileType.Directory]
        return sorted(name for name in folders if name.startswith(STEP))

    def complete(self) -> list[str]:
        """Names of those whose writing came to its end, oldest first."""
        names = self.names()
        manifests = [f"{self.path}/{name}/{MANIFEST}" for name in names]
        found = self.filesystem.get_file_info(manifests)
        return [name for name, info in zip(names, found, strict=True) if info.is_file]

    def last(self) -> Found:
        """The newest state that is whole, to the byte; a new one where none was ever completed.

        Raises:
            CheckpointError: there are checkpoints, and none of them can be used.
        """
        refused: dict[str, CheckpointError] = {}
        for name in reversed(self.names()):
            try:
                with self._here(name) as folder:
                    state = TrainingState.load(folder, f"{self.path}/{name}")
            except CheckpointError as error:
                refused[name] = error
                continue
            self._refused = set(refused)
            return Found(state, name, [_instead(x, name) for x in refused.values()])
        faults = list(refused.values())
        # A run keeps the one before until the next is whole: a single one is the first.
        if len(faults) <= 1 and all(isinstance(x, UnfinishedCheckpointError) for x in faults):
            return Found(TrainingState(), None, [_instead(x, "the beginning") for x in faults])
        reasons = "; ".join(_sentence(error) for error in faults)
        raise CheckpointError(
            f"{reasons}; put a copy of one of them back, or train anew under another name=."
        )

    def save(self, state: TrainingState, config: dict[str, Any], keep: int) -> None:
        """Keep a state, and of those before it all but the last `keep` - 1."""
        with tempfile.TemporaryDirectory(prefix="mtl-checkpoint-") as scratch:
            state.save(Path(scratch), config)
            self.bring(Path(scratch), checkpoint_name(state), keep)

    def bring(self, folder: Path, name: str, keep: int) -> None:
        """Copy a state that was saved to a local folder to its place.

        First what interrupted saves left goes: two of them before any whole one would look like
        lost work. Then all but the last `keep` that are whole.
        """
        place = f"{self.path}/{name}"
        for unfinished in set(self.names()) - {*self.complete(), name}:
            with suppress(OSError):
                self._drop(unfinished)
        self._drop(name)
        self.filesystem.create_dir(place, recursive=True)
        for file in sorted(folder.iterdir()):
            if file.name != MANIFEST:
                self._copy(file, f"{place}/{file.name}")
        put(self.filesystem, f"{place}/{MANIFEST}", (folder / MANIFEST).read_bytes())
        self._refused.discard(name)
        kept = [one for one in self.complete() if one not in self._refused][-keep:]
        for old in set(self.names()) - set(kept):
            with suppress(OSError):  # in use, or the storage is busy: the next save drops it
                self._drop(old)

    def _copy(self, file: Path, place: str) -> None:
        pyarrow.fs.copy_files(
            str(file),
            place,
            destination_filesystem=self.filesystem,
            chunk_size=CHUNK,
            use_threads=False,  # apache/arrow#32372
        )
        if isinstance(self.filesystem, pyarrow.fs.LocalFileSystem):
            with open(place, "rb") as copy:
                os.fsync(copy.fileno())  # before the manifest says that it is there

    def _drop(self, name: str) -> None:
        """Remove a checkpoint, its manifest first: half of it would not be taken for a whole."""
        place = f"{self.path}/{name}"
        folder, manifest = self.filesystem.get_file_info([place, f"{place}/{MANIFEST}"])
        if manifest.is_file:
            self.filesystem.delete_file(manifest.path)
        if folder.type == pyarrow.fs.FileType.Directory:
            self.filesystem.delete_dir(place)

    @contextmanager
    def _here(self, name: str) -> Iterator[Path]:
        """The folder of a checkpoint, or a copy of it, on this machine."""
        place = f"{self.path}/{name}"
        if isinstance(self.filesystem, pyarrow.fs.LocalFileSystem):
            yield Path(place)
            return
        with tempfile.TemporaryDirectory(prefix="mtl-checkpoint-") as scratch:
            pyarrow.fs.copy_files(
                place, scratch, source_filesystem=self.filesystem, chunk_size=CHUNK
            )
            yield Path(scratch)


def _sentence(error: CheckpointError) -> str:
    return str(error).rstrip(".")


def _instead(error: CheckpointError, used: str) -> str:
    return f"{_sentence(error)}; going on from {used} instead."
