"""Free disk against what a run writes."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mtl.data.storage import absolute, is_remote
from mtl.doctor.finding import Finding, Level
from mtl.doctor.machine import gib


def free_bytes(place: str) -> int | None:
    """Free bytes on the disk of a folder that may not exist yet; none behind a URI."""
    if is_remote(place):
        return None
    path = Path(absolute(place))
    return shutil.disk_usage(next(one for one in (path, *path.parents) if one.exists())).free


@dataclass(frozen=True)
class DiskSpace:
    """Whether what a run writes fits the disk of a folder."""

    place: str
    needed: int
    """Bytes."""
    arithmetic: str
    """Where `needed` comes from, as in `3 checkpoints of 1.2 GiB`."""
    remedy: str

    def findings(self) -> list[Finding]:
        """See `Check.findings`."""
        free = free_bytes(self.place)
        if free is None:
            told = f"{self.arithmetic} are {gib(self.needed)}; {self.place} does not tell its space"
            return [Finding("disk", Level.OK, told)]
        told = (
            f"{self.arithmetic} are {gib(self.needed)}, {gib(free)} are free on the disk of "
            f"{self.place}"
        )
        if free < self.needed:
            return [Finding("disk", Level.ERROR, f"{told}; {self.remedy}.")]
        return [Finding("disk", Level.OK, told)]


@dataclass(frozen=True)
class ScratchSpace:
    """Whether the folder of temporary files holds a checkpoint before it goes to storage."""

    needed: int
    """Bytes."""

    def findings(self) -> list[Finding]:
        """See `Check.findings`."""
        told = f"1 checkpoint of {gib(self.needed)} on its way to storage"
        remedy = "make room, or set TMPDIR to a larger disk where Ray is started"
        found = DiskSpace(tempfile.gettempdir(), self.needed, told, remedy).findings()
        return [one._replace(what="temporary files") for one in found]
