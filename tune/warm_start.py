"""The best values of an earlier search as first guesses of a new one."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import TrialState

from mtl.errors import ConfigError
from tune.config import SearchConfig
from tune.journal import JOURNAL, open_journal
from tune.parameters import Values
from tune.space import Space

TAKEN = 5
"""Trials taken over, the best."""


def earlier_bests(search: SearchConfig, space: Space) -> list[Values]:
    """Values of the best trials of `warm_start`, of parameters that this space has too.

    Raises:
        ConfigError: there is no search, it is damaged, or it shares no parameter with this one.
    """
    if search.warm_start is None:
        return []
    journal = Path(search.warm_start) / JOURNAL
    if not journal.is_file():
        raise ConfigError(
            f"warm_start={search.warm_start} must be the folder of a search, with a {JOURNAL}."
        )
    storage = open_journal(journal)
    names = optuna.get_all_study_names(storage)
    if not names:
        raise ConfigError(f"warm_start={search.warm_start} holds no trial yet.")
    study = optuna.load_study(study_name=names[0], storage=storage)
    done = study.get_trials(states=(TrialState.COMPLETE,))
    sign = 1.0 if study.directions[0] == optuna.study.StudyDirection.MINIMIZE else -1.0
    done.sort(key=lambda trial: (sign * trial.values[0], trial.number))
    found = [_known(trial.params, space) for trial in done[:TAKEN]]
    if not any(found):
        raise ConfigError(
            f"warm_start={search.warm_start} has no finished trial with a parameter of this space; "
            "leave it out."
        )
    return [values for values in found if values]


def _known(values: Values, space: Space) -> Values:
    """Values that this space could have drawn itself."""
    known: Values = {}
    for name in space.parameters:
        if name not in values or not space.exists(name, known):
            continue
        if space.parameters[name].takes(values[name]):
            known[name] = values[name]
    return known
