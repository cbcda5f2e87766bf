"""The journal of a search: a file of JSON lines that Optuna appends to."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from mtl.errors import ConfigError

JOURNAL = "study.journal"
"""Its name in the folder of a search."""


def open_journal(file: Path) -> JournalStorage:
    """A journal as Optuna's storage, made if it is not there.

    Raises:
        ConfigError: it is damaged.
    """
    try:
        return JournalStorage(JournalFileBackend(str(file)))
    except (ValueError, LookupError, TypeError) as error:
        raise ConfigError(
            f"{file} is not a journal of Optuna, or is damaged ({type(error).__name__}: {error}); "
            "put a copy of it back, or take the folder of another search."
        ) from None


def study_name(storage: JournalStorage, name: str) -> str:
    """The name of a search's study: its folder may have been renamed since it began.

    Args:
        storage: its journal.
        name: of the search today.
    """
    names = optuna.get_all_study_names(storage)
    return names[0] if len(names) == 1 else name
