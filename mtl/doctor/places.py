"""Whether a machine reads the data and weights that another one reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mtl.config.schema import EvaluateConfig, RunConfig, TrackerRunConfig
from mtl.config.unified_run import UnifiedEvaluateConfig, UnifiedRunConfig
from mtl.data.storage import absolute, list_names, read_bytes, stat
from mtl.doctor.finding import Finding, Level, listed, reason
from mtl.errors import AwayError, DataError

Placed = RunConfig | EvaluateConfig | UnifiedEvaluateConfig


class Seen(NamedTuple):
    """A place as one machine sees it. A check for the others, see `Check`."""

    key: str
    place: str
    names: tuple[str, ...] | None
    """What lies in the folder; none of a file."""

    def findings(self) -> list[Finding]:
        """See `Check.findings`."""
        place = f"{self.key}={self.place}"
        remedy = "put it on a disk that every node reaches at this path, or give a URI"
        try:
            if self.names is None:
                read_bytes(self.place)
                lacks = []
            else:
                lacks = sorted(set(self.names) - set(list_names(self.place)))
        except (DataError, AwayError, OSError) as error:
            told = f"{place} cannot be read ({reason(error)}); {remedy}."
            return [Finding(self.key, Level.ERROR, told)]
        if lacks:
            told = f"{place} lacks {listed(lacks)}, which the command sees there; {remedy}."
            return [Finding(self.key, Level.ERROR, told)]
        return [Finding(self.key, Level.OK, f"{self.place} can be read")]


def seen(config: Placed) -> list[Seen]:
    """Data and weights that workers read, as far as they are there on this machine.

    Raises:
        DataError: a folder is there but cannot be listed.
    """
    found = []
    for key, given in _places(config).items():
        if given is None:
            continue
        place = absolute(given)
        try:
            entry = stat(place)
            if entry is not None:
                names = tuple(list_names(place)) if entry.is_folder else None
                found.append(Seen(key, place, names))
        except OSError as error:
            raise DataError(
                f"{key}={given} cannot be read ({reason(error)}); check path and permissions."
            ) from None
    return found


def _places(config: Placed) -> Mapping[str, str | None]:
    """Places by key; without a root, each machine renders its own data."""
    places: dict[str, str | None] = {}
    if isinstance(config, (UnifiedRunConfig, UnifiedEvaluateConfig)):
        for task in config.data.tasks:
            places[f"data.{task}_root"] = getattr(config.data, f"{task}_root")
    elif isinstance(config, (TrackerRunConfig, EvaluateConfig)):
        places["data.root"] = config.data.root
    if isinstance(config, UnifiedRunConfig):
        places |= {f"teachers.{task}": config.teachers.path(task) for task in config.tasks}
    if isinstance(config, RunConfig):
        places["model.init"] = config.model.init
    return places
