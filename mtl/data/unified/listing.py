"""What a set's folders hold, with sentences for what is missing.

A storage that is away is not a folder that is missing: its `AwayError` passes through.
"""

from __future__ import annotations

from mtl.config.unified_data import SplitNames
from mtl.data.storage import Entry, is_plain_name, list_folder, read_bytes
from mtl.errors import DataError
from mtl.hiccups import words_of


def split_parts(split: str, key: str) -> list[str]:
    """Parts of a split's name, joined by +.

    Raises:
        DataError: if a part is no plain folder name.
    """
    parts = split.split("+")
    for part in parts:
        if not is_plain_name(part):
            raise DataError(
                f"{key} must name folders, several joined by +, got '{split}'; correct it."
            )
    return parts


def split_key(names: SplitNames, split: str, group: str) -> str:
    """The key that gives a split its name; the whole group of keys where none does."""
    return next((f"{group}.{role}" for role, name in names if name == split), group)


def entries(place: str, what: str, remedy: str = "check path and permissions") -> dict[str, Entry]:
    """Content of a folder by name, in the order of the names.

    Raises:
        DataError: if it is missing or cannot be listed.
    """
    try:
        return {entry.name: entry for entry in list_folder(place)}
    except OSError as error:
        raise DataError(f"{what} {place} cannot be read ({_reason(error)}); {remedy}.") from None


def subfolders(place: str) -> set[str]:
    """Names of the folders in a folder; none where it does not exist."""
    try:
        return {entry.name for entry in list_folder(place) if entry.is_folder}
    except OSError:
        return set()


def read_listed(place: str, what: str, remedy: str) -> bytes:
    """Content of a file that a set cannot do without.

    Raises:
        DataError: if it is missing or cannot be read.
    """
    try:
        return read_bytes(place)
    except OSError as error:
        raise DataError(f"{what} {place} cannot be read ({_reason(error)}); {remedy}.") from None


def _reason(error: OSError) -> str:
    return error.strerror or words_of(error)
