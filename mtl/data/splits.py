"""Which sequences of a data set are to train, to validate and to test.

A root holds train/, val/ and test/. Where val/ is missing, whole sequences are held out of train by
the hash of their names, `data.val_ratio` of them and at least one; never frames, because
neighbouring frames of one video are almost the same picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from mtl.data import got10k
from mtl.data.bad_items import BadItems
from mtl.data.storage import absolute, join, list_folder
from mtl.errors import DataError
from mtl.hiccups import words_of

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


def split_folders(root: str) -> tuple[Split, ...]:
    """The splits a data set has folders for.

    Raises:
        DataError: if the root does not exist or has none.
    """
    root = absolute(root)
    found = _folders(root)
    splits = tuple(split for split in SPLITS if split in found)
    if not splits:
        raise DataError(
            f"data.root {root} has none of train/, val/ and test/; give the folder above them."
        )
    return splits


def require_splits(root: str, splits: Sequence[Split], key: str) -> None:
    """Check that a data set has train, and the splits that a key of the config asks for.

    Raises:
        DataError: names the first that it has not, and, unless it is train, the key.
    """
    root = absolute(root)
    with readable(root, ", ".join(("train", *splits))):
        found = _folders(root)
    for folder in ("train", *(_folder_of(split, found) for split in splits)):
        if folder not in found:
            raise _no_folder(root, folder, found, "" if folder == "train" else key)


def split_sequences(
    root: str, split: Split, val_ratio: float, bad: BadItems
) -> tuple[str, list[str]]:
    """The folder that holds a split, its own or train for a held-out val, and its sequences.

    Args:
        root: of the data set.
        split: which part.
        val_ratio: share of train that is held out where there is no val.
        bad: what is done with unusable items.

    Raises:
        DataError: if there is no such folder, or no sequence in it.
    """
    found = _folders(root)
    folder = _folder_of(split, found)
    names = folder_sequences(root, folder, bad)
    if folder != split or (split == "train" and "val" not in found):
        out = held_out(names, val_ratio)
        names = [name for name in names if (name in out) == (split == "val")]
        if not names:
            raise DataError(
                f"{root} has no val/ and its train/ has a single sequence, so none can be held out "
                "for validation; add sequences or a val/ folder."
            )
    return folder, names


def folder_sequences(root: str, folder: str, bad: BadItems) -> list[str]:
    """Every sequence in a folder of a data set, in the order of its list.

    Raises:
        DataError: if there is no such folder, or no sequence in it.
    """
    found = _folders(root)
    if folder not in found:
        raise _no_folder(root, folder, found)
    place = join(root, folder)
    names = got10k.sequence_names(place, list_folder(place), bad)
    if not names:
        raise DataError(f"{place} has no sequences; copy some there or correct its list.txt.")
    return names


def held_out(names: Iterable[str], ratio: float) -> set[str]:
    """Sequences that validate where there is no val split: those with the smallest name hashes.

    The choice depends on the names alone. One sequence cannot be shared, so it all trains.
    """
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    if len(ordered) < 2:
        return set()
    return set(ordered[: min(max(1, round(ratio * len(ordered))), len(ordered) - 1)])


@contextmanager
def readable(root: str, split: str) -> Iterator[None]:
    """Call a split that cannot be read by its name.

    Raises:
        DataError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = words_of(error)
        raise DataError(
            f"{split} of data.root {root} cannot be read ({reason}); check path and permissions."
        ) from None


def _folder_of(split: Split, found: set[str]) -> str:
    return "train" if split == "val" and "val" not in found else split


def _no_folder(root: str, folder: str, found: set[str], key: str = "") -> DataError:
    there = ", ".join(f"{split}/" for split in SPLITS if split in found)
    asked = f", which {key} asks for," if key else ""
    remedy = f", or leave {folder} out of {key}" if key else ""
    return DataError(
        f"data.root {root} has no {folder}/ folder{asked} "
        f"but {there or 'none of train/, val/, test/'}; "
        f"give the folder that holds train/ and, if there are any, val/ and test/{remedy}."
    )


def _folders(root: str) -> set[str]:
    try:
        return {entry.name for entry in list_folder(root) if entry.is_folder}
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"data.root {root} does not exist or is no folder; give the folder or URI that holds "
            "train/, val/ and test/."
        ) from None
