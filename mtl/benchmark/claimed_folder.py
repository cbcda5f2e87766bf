"""A folder that knows whose evaluation it holds: one goes on with it, or is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from mtl.errors import DataError
from mtl.files import write_atomically

CONFIG_FILE = "config.json"

Content: TypeAlias = dict[str, Any]


class ClaimedFolder:
    """Where an evaluation keeps its files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def results(self) -> Path:
        """Folder that holds a folder for each tracker or model."""
        return self.path / "results"

    def write_claim(
        self,
        content: Content,
        is_sound: Callable[[Content], bool],
        join: Callable[[Content], Content],
    ) -> None:
        """Write whose folder this is, or what becomes of that when the command is added to it.

        Args:
            content: of config.json in a new folder.
            is_sound: whether a config.json is one of such an evaluation; may raise as one does who
                looks into broken JSON.
            join: from what the folder says to what it shall say; refuses another evaluation.

        Raises:
            DataError: if its config.json cannot be read, or it is a folder of something else.
        """
        file = self.path / CONFIG_FILE
        if file.exists():
            content = join(_read(file, is_sound))
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise DataError(
                f"{self.path} is not empty and no folder of an evaluation; give --out a new folder."
            )
        write_atomically(file, (json.dumps(content, indent=1) + "\n").encode())


def are_entries(trackers: Content) -> bool:
    """Whether each tracker or model is known by its digest and source."""
    return all({"digest", "source"} <= entry.keys() for entry in trackers.values())


def _read(file: Path, is_sound: Callable[[Content], bool]) -> Content:
    try:
        content: Content = json.loads(file.read_text(encoding="utf-8"))
        sound = is_sound(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise DataError(
            f"{file} is no readable config of such an evaluation; give --out another folder, or "
            "delete this file to begin again."
        )
    return content
