"""The run that a search varies, as it was when the search began.

`search.yaml` only names a preset or a file, which may be another one by the time of a resumption.
"""

from __future__ import annotations

from pathlib import Path

from cluster.preflight import differences
from mtl.config.load import load_text, to_yaml
from mtl.config.run import RunConfig
from mtl.errors import ConfigError
from mtl.files import write_atomically

BASE_FILE = "base.yaml"


def keep_base(folder: Path, base: RunConfig) -> None:
    """Write the run into the folder of a search, where it is not yet."""
    if not (folder / BASE_FILE).exists():
        write_atomically(folder / BASE_FILE, to_yaml(base).encode())


def check_base(folder: Path, base: RunConfig) -> None:
    """Refuse to go on with a search whose run would learn something else now.

    Of a search that began before its run was kept nothing is known.

    Raises:
        ConfigError: names the keys, with the values they had and have.
    """
    saved = folder / BASE_FILE
    if not saved.is_file():
        return
    before = load_text(saved.read_text(encoding="utf-8"), str(saved))
    changed = differences(before, base)
    if changed:
        told = ", ".join(f"run.{key}={old} (now {new})" for key, old, new in changed)
        raise ConfigError(
            f"search '{folder.name}' was started with {told}; give back what its run.preset was "
            "then, or start a new search under another name with warm_start of this one."
        )
