"""Whether a storage takes files, and whether several machines mean the same one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import pyarrow
import pyarrow.fs

from mtl.doctor.finding import Finding, Level, reason
from mtl.errors import ConfigError
from mtl.training.storage import open_storage

CONTENT = b"written to see whether it can be; may be deleted\n"


@dataclass(frozen=True)
class Probe:
    """A folder in a storage where each machine leaves a small file for the others to see.

    Its methods raise `OSError` or `ConfigError` where the storage cannot be used.
    """

    storage: str
    folder: str = field(default_factory=lambda: f".check-{uuid.uuid4().hex}")

    def leave(self, name: str) -> None:
        """Write a file; the storage's folder is made if need be, as a run would."""
        filesystem, path = self._open()
        filesystem.create_dir(path, recursive=True)
        with filesystem.open_output_stream(f"{path}/{name}") as stream:
            stream.write(CONTENT)

    def sees(self, name: str) -> bool:
        """Whether a file is there."""
        filesystem, path = self._open()
        return bool(filesystem.get_file_info(f"{path}/{name}").type == pyarrow.fs.FileType.File)

    def remove(self) -> None:
        """Remove the folder and what is in it, if it is there."""
        filesystem, path = self._open()
        if filesystem.get_file_info(path).type == pyarrow.fs.FileType.Directory:
            filesystem.delete_dir(path)

    def _open(self) -> tuple[pyarrow.fs.FileSystem, str]:
        filesystem, base = open_storage(self.storage)
        return filesystem, f"{base}/{self.folder}"


def refused(storage: str, error: Exception) -> Finding:
    """What is found of a storage that a file cannot be written to."""
    if isinstance(error, ConfigError):  # whose sentence says it all
        return Finding("storage", Level.ERROR, str(error))
    told = (
        f"storage={storage} cannot be written ({reason(error)}); correct its permissions or set "
        "storage= to another folder or URI."
    )
    return Finding("storage", Level.ERROR, told)


@dataclass(frozen=True)
class WritableStorage:
    """Whether this machine can write to a storage; what it writes it removes again."""

    storage: str

    def findings(self) -> list[Finding]:
        """See `Check.findings`."""
        probe = Probe(self.storage)
        try:
            probe.leave("here")
            probe.remove()
        except (ConfigError, OSError, pyarrow.ArrowException) as error:
            return [refused(self.storage, error)]
        return [Finding("storage", Level.OK, f"{self.storage} can be written")]


@dataclass(frozen=True)
class SharedStorage:
    """Whether this machine writes to the storage that another one has left a file in."""

    probe: Probe
    other: str
    """The file that the other machine left."""
    own: str
    """The file that this machine leaves."""

    def findings(self) -> list[Finding]:
        """See `Check.findings`."""
        storage = self.probe.storage
        try:
            if not self.probe.sees(self.other):
                return [apart(storage)]
            self.probe.leave(self.own)
        except (ConfigError, OSError, pyarrow.ArrowException) as error:
            return [refused(storage, error)]
        return [Finding("storage", Level.OK, f"{storage} can be written")]


def apart(storage: str) -> Finding:
    """What is found of a storage that is another disk on another machine."""
    told = (
        f"storage={storage} is not the folder that the command writes to; set storage= to a disk "
        "that all nodes share, or to a URI."
    )
    return Finding("storage", Level.ERROR, told)
