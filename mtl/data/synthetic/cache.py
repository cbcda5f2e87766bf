"""The rendered data set a run uses when it has none of its own, kept between runs."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mtl.config.schema import Config, SyntheticConfig
from mtl.data.synthetic.sequence import RENDERER_VERSION
from mtl.data.synthetic.writer import render_dataset

PARTIAL = ".partial-"
STALE_S = 6 * 3600.0
"""Age after which a half-rendered folder is taken to belong to a killed process, seconds."""

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Folder of everything that can be made again: `MTL_CACHE`, else `~/.cache/mtl`."""
    named = os.environ.get("MTL_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "mtl"


def embedded_dataset(
    config: SyntheticConfig, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Root of the rendered train and val splits of a configuration, rendered if need be.

    A data set appears under its name whole or not at all: it is rendered beside it and renamed,
    so a killed or a second process at the same time leaves nothing half done.

    Args:
        config: What to render; a hash of it and of the renderer's version names the folder.
        progress: Called with (sequences done, sequences in all) while rendering.

    Raises:
        ConfigError: if the configuration cannot be rendered.
        DataError: if a file cannot be written.
    """
    name = folder_name("synthetic", RENDERER_VERSION, config)
    return rendered_folder(
        name, lambda root: render_dataset(root, config, ("train", "val"), progress)
    )


def folder_name(kind: str, version: int, config: Config) -> str:
    """Name of a rendered data set: its kind and a hash of all that decides its bytes."""
    text = json.dumps({"version": version, **config.model_dump(mode="json")}, sort_keys=True)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def rendered_folder(name: str, render: Callable[[Path], object]) -> Path:
    """The cached folder of a name, rendered if it is not there; whole or not at all.

    Args:
        name: from `folder_name`.
        render: fills an empty folder.
    """
    parent = cache_folder()
    root = parent / name
    if root.is_dir():
        return root
    parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(parent)
    partial = Path(tempfile.mkdtemp(prefix=f"{PARTIAL}{name}-", dir=parent))
    try:
        render(partial)
        partial.chmod(0o755)
        try:
            partial.rename(root)
        except OSError:
            if not root.is_dir():  # else another process was first, with the same bytes
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return root


def _remove_stale(parent: Path) -> None:
    for folder in parent.glob(f"{PARTIAL}*"):
        try:
            age = time.time() - folder.stat().st_mtime
        except FileNotFoundError:
            continue
        if age > STALE_S:
            _log.info("removing %s, left behind by a killed process", folder)
            shutil.rmtree(folder, ignore_errors=True)
