"""What a relative path in a config means to every process: `storage`, `model.init`, teachers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mtl.config.run import RunConfig
from mtl.config.unified import UNIFIED_TASKS
from mtl.config.unified_run import UnifiedRunConfig


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


def absolute_weights(config: RunConfig, here: Path, home: Path) -> RunConfig:
    """The config with the weights that it starts from and its teachers as every process finds them.

    Paths are as in `absolute_init`.
    """
    changes: dict[str, object] = {}
    if config.model.init:
        init = absolute_init(config.model.init, here, home)
        changes["model"] = config.model.model_copy(update={"init": init})
    if isinstance(config, UnifiedRunConfig):
        given = {task: config.teachers.path(task) for task in UNIFIED_TASKS}
        places: dict[Any, str] = {
            task: absolute_init(place, here, home) for task, place in given.items() if place
        }
        changes["teachers"] = config.teachers.model_copy(update=places)
    return config.model_copy(update=changes)
