"""Local folders in which a worker writes its checkpoints before they go to storage.

Ray removes each when it is there. A worker that is killed before that leaves one behind, of more
than a gigabyte for the published models; the next one on the machine removes it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

PREFIX = "mtl-checkpoint-of-"
"""Then the process that writes there."""
ABANDONED_S = 3600.0
"""Seconds after which a folder of a process that is not seen is nobody's: /tmp may be shared with
machines whose processes are not seen here."""


def scratch_folder() -> str:
    """A new folder of this process."""
    return tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")


def remove_abandoned() -> None:
    """Remove the folders of processes that are gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not _runs(int(pid)) and _age_s(folder) > ABANDONED_S:
            shutil.rmtree(folder, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def _age_s(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:  # another worker was faster
        return 0.0
