"""What a relative path in a config means to every process: `storage` and `model.init`."""

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


def absolute_init(init: str, here: Path, home: Path) -> str:
    """The weights to start from as every process must understand them.

    In a job a relative path is looked for in the code that came with the job first, then where
    run folders lie.
    """
    local = here / Path(init).expanduser()
    return str(local) if local.exists() else absolute_storage(init, here, home)
