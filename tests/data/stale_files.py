"""Files on a network disk that does not answer for a while."""

from __future__ import annotations

import builtins
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from mtl import hiccups
from mtl.data import storage

STALE = OSError(errno.ESTALE, "Stale file handle")
ALWAYS = 1 << 30


class StaleFiles:
    """Opening, listing and asking for files whose path ends so fails the first times.

    Args:
        monkeypatch: undoes it.
        ending: of the paths.
        times: how often each of them fails; none of the waits takes time.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, ending: str = ".jpg", times: int = ALWAYS
    ) -> None:
        self.waits: list[float] = []
        self._ending, self._times = ending, times
        self._failed: dict[str, int] = {}
        monkeypatch.setattr(hiccups, "sleep", self.waits.append)
        monkeypatch.setattr(storage, "open", self._failing(builtins.open), raising=False)
        for name in ("scandir", "listdir", "stat"):
            monkeypatch.setattr(os, name, self._failing(getattr(os, name)))

    def _failing(self, call: Any) -> Any:
        def tried(place: Any = ".", *args: Any, **kwargs: Any) -> Any:
            path = str(place) if isinstance(place, (str, Path)) else ""
            failed = self._failed.get(path, 0)
            if path.endswith(self._ending) and failed < self._times:
                self._failed[path] = failed + 1
                raise OSError(*STALE.args)
            return call(place, *args, **kwargs)

        return tried
