"""What a check is, and what it finds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from mtl.hiccups import words_of


class Level(Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    """In a word or two."""
    level: Level
    text: str
    """What was found; of anything but `Level.OK` a sentence that ends with what to do."""


class Check(Protocol):
    """Looks at the machine it runs on. It pickles, so that it can be sent to another."""

    def findings(self) -> list[Finding]:
        """What is found; a check never raises because of what it looks at."""


def examine(checks: Iterable[Check]) -> list[Finding]:
    """All findings of checks, in their order."""
    return [finding for check in checks for finding in check.findings()]


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Those with which work cannot start."""
    return [finding for finding in findings if finding.level is Level.ERROR]


def reason(error: Exception) -> str:
    """An error's message on one line; of the operating system its text without numbers."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return words_of(error)


def listed(words: Sequence[str], most: int = 4) -> str:
    """The first words, and how many more there are."""
    more = len(words) - most
    return ", ".join(words[:most]) + (f" and {more} more" if more > 0 else "")
