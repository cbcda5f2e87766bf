"""Looking into folders that may not be there."""

from __future__ import annotations

from mtl.data.got10k import natural_key
from mtl.data.storage import Entry, list_folder, read_bytes


def folders_in(place: str) -> list[str]:
    """Names of the visible folders in a folder, in natural order; none if it is absent."""
    names = [e.name for e in _entries(place) if e.is_folder and not e.name.startswith(".")]
    return sorted(names, key=natural_key)


def files_in(place: str) -> list[str]:
    """Names of the visible files in a folder, in natural order; none if it is absent."""
    names = [e.name for e in _entries(place) if not e.is_folder and not e.name.startswith(".")]
    return sorted(names, key=natural_key)


def lines_of(file: str) -> list[tuple[int, str]]:
    """Numbers and content of the lines that are not empty."""
    lines = read_bytes(file).decode("utf-8-sig", errors="replace").splitlines()
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def _entries(place: str) -> list[Entry]:
    try:
        return list_folder(place)
    except (FileNotFoundError, NotADirectoryError):
        return []
