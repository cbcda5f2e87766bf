"""Where run folders lie when `storage=` is a relative path."""

from __future__ import annotations

from pathlib import Path


def absolute_storage(storage: str, here: Path, home: Path) -> str:
    """The storage as every process must understand it: a URI as it is, a path made absolute.

    A path is relative to `here`, the folder the command runs in. In a job that is a copy of the
    code which Ray deletes some time after it ends, so there it is relative to `home` instead.
    """
    if "://" in storage:
        return storage
    base = home if "working_dir_files" in here.parts else here
    return str(base / Path(storage).expanduser())
