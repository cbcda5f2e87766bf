"""What became of every entry of a file and of a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from mtl.models.weights.stored import Shape

MAX_LINES = 12
"""Of a category, when printed."""


@dataclass
class Report:
    """Entries by what happened to them. Mutable: it grows file by file."""

    title: str
    """What was taken from what."""
    files: list[dict[str, str]] = field(default_factory=list)
    """Name, SHA-256 and kind of each file."""
    taken: list[str] = field(default_factory=list)
    """Entries with the same name in file and model."""
    renamed: list[tuple[str, str]] = field(default_factory=list)
    """Name in the file, name in the model."""
    resized: list[tuple[str, str, Shape, Shape]] = field(default_factory=list)
    """Names as above, and shapes in file and model."""
    ignored: dict[str, str] = field(default_factory=dict)
    """Entries of the file without a place in the model, and why."""
    missing: dict[str, str] = field(default_factory=dict)
    """Entries of the model that nothing fills, and why that is accepted."""
    notes: list[str] = field(default_factory=list)
    """What else a user should know."""

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return asdict(self)

    def summary(self) -> str:
        """Counts, in one line."""
        counts = [
            f"{len(getattr(self, name))} {name}"
            for name in ("taken", "renamed", "resized", "ignored", "missing")
            if getattr(self, name)
        ]
        return f"{self.title}: {', '.join(counts)}"

    def told(self) -> list[str]:
        """The counts and the notes, for the beginning of a run."""
        return [self.summary(), *self.notes]

    def lines(self) -> Iterator[str]:
        """The counts and the unusual entries, for a terminal."""
        yield self.summary()
        yield from _some("renamed", [f"{old} -> {new}" for old, new in self.renamed])
        yield from _some(
            "resized",
            [f"{old} {a} -> {new} {b}" for old, new, a, b in self.resized],
        )
        yield from _some("ignored", _grouped(self.ignored))
        yield from _some("missing", _grouped(self.missing))
        yield from (f"note: {note}" for note in self.notes)


def _grouped(reasons: dict[str, str]) -> list[str]:
    """One line for each reason, with the first entry it holds for."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return [
        f"{group[0]}{f' and {len(group) - 1} more' if len(group) > 1 else ''}: {reason}"
        for reason, group in names.items()
    ]


def _some(title: str, lines: list[str]) -> Iterator[str]:
    for line in lines[:MAX_LINES]:
        yield f"  {title} {line}"
    if len(lines) > MAX_LINES:
        yield f"  {title} {len(lines) - MAX_LINES} more"
