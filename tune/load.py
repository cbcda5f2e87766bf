"""From a preset or a YAML file and `section.key=value` words to a checked search."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from mtl.config.load import load as load_run
from mtl.config.load import load_as, validate
from mtl.config.run import RunConfig
from mtl.errors import ConfigError
from tune.config import SearchConfig
from tune.paths import merged


def preset_names() -> list[str]:
    """Names of the searches that ship with the project, sorted."""
    folder = resources.files("tune") / "presets"
    return sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml"))


def load(source: str, overrides: Sequence[str] = ()) -> SearchConfig:
    """Resolve a preset name or a YAML file plus overrides.

    Raises:
        ConfigError: one sentence that names the key, the file and what to write instead.
    """
    if source in preset_names():
        file = resources.files("tune") / "presets" / f"{source}.yaml"
        text, origin = file.read_text(encoding="utf-8"), f"search preset '{source}'"
    else:
        text, origin = _read(source), source
    return load_as(SearchConfig, text, origin, overrides)


def to_yaml(search: SearchConfig) -> str:
    """The resolved search, every key written out; `load` of this text gives an equal one."""
    return yaml.safe_dump(search.model_dump(mode="json"), sort_keys=False, width=100)


def base_run(search: SearchConfig) -> RunConfig:
    """The run that a search varies; of a `preset` that is a run's config, a new run like it.

    Raises:
        ConfigError: there is no such preset or file, or the schema refuses a change.
    """
    changes: dict[str, Any] = dict(search.run)
    preset = changes.pop("preset", "demo")
    for key in ("name", "storage", "resume"):
        if key in changes:
            raise ConfigError(f"run.{key} is the search's own; set {key}= instead.")
    plain = load_run(str(preset)).model_dump(mode="json") | {"name": None, "resume": False}
    return validate(merged(plain, changes), "run of the search")


FREE_TO_CHANGE = (
    "name",
    "storage",
    "resume",
    "trials",
    "warm_start",
    "reruns",
    "concurrent_trials",
)
"""Keys of a search that may change while it is interrupted."""


def changed_keys(old: SearchConfig, new: SearchConfig) -> list[str]:
    """Keys that decide what is searched, or how, and differ."""
    before, now = old.model_dump(), new.model_dump()
    return [key for key in before if key not in FREE_TO_CHANGE and before[key] != now[key]]


def _read(source: str) -> str:
    path = Path(source)
    if not path.is_file():
        near = difflib.get_close_matches(source, preset_names(), n=1)
        known = ", ".join(preset_names())
        hint = f"did you mean '{near[0]}'?" if near else f"search presets are {known}."
        raise ConfigError(f"'{source}' is neither a search preset nor a YAML file; {hint}")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} cannot be read as text: {error}; give a YAML file.") from None
