"""What can be refused about a search before Ray starts: its space, its metrics, its rungs."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import optuna

from mtl.config.run import RunConfig
from mtl.config.tracker_run import TrackerRunConfig
from mtl.errors import ConfigError
from mtl.tasks.reported import (
    CONDITION_METRICS,
    epoch_metrics,
    final_metrics,
    is_loss,
    require_reported,
    require_watched,
    watched_metric,
)
from tune.budget import budget_of
from tune.config import SearchConfig
from tune.expression import Expression
from tune.fixed import require_equal, require_free
from tune.halving import Halving
from tune.load import base_run
from tune.parameters import ChoiceParameter, Parameter, StageShare, Values
from tune.space import Space
from tune.yardstick import require_one_yardstick

COMBINATIONS = 32
"""Trials drawn by chance to see whether values fit each other."""


class Goal(NamedTuple):
    """What trials are measured by."""

    objectives: tuple[Expression, ...]
    """What is improved."""
    minimize: tuple[bool, ...]
    """Of each objective, whether smaller is better."""
    watched: str
    """Metric compared at rungs."""


def checked(search: SearchConfig) -> tuple[Space, Goal]:
    """The space of a search over the run that its trials are, and what they are measured by.

    At its end a trial evaluates the validation split where an objective asks for it, and nothing
    else: other splits would cost every trial time, and the test split is not for choosing.

    Raises:
        ConfigError: names the key and what to write instead.
    """
    space = Space(search.space, base_run(search))
    goal = check(search, space)
    final = set(final_metrics(space.base))
    splits = ("val",) if any(final & set(one.names) for one in goal.objectives) else ()
    evaluation: Any = space.base.evaluation  # type: ignore[attr-defined]
    changed = {"evaluation": evaluation.model_copy(update={"splits": splits})}
    space.base = space.base.model_copy(update=changed)
    return space, goal


def check(search: SearchConfig, space: Space) -> Goal:
    """Refuse a space that does not fit the run, and metrics that not every trial reports.

    Raises:
        ConfigError: names the key and what to write instead.
    """
    runs = [space.base]
    for name, parameter in space.parameters.items():
        runs += _probed(space, name, parameter)
    _check_apart(space)
    space.own()
    return _goal(search, runs + _combinations(space))


def _probed(space: Space, name: str, parameter: Parameter) -> list[RunConfig]:
    """The base run with the ends of a parameter's range.

    Raises:
        ConfigError: the parameter does not fit the run.
    """
    for path in parameter.paths:
        _check_path(name, path, isinstance(parameter, StageShare))
    for other in parameter.when:
        parent = space.parameters[other]
        for odd in (value for value in parameter.wanted(other) if not parent.takes(value)):
            none = (
                "none of its choices" if isinstance(parent, ChoiceParameter) else "not in its range"
            )
            raise ConfigError(
                f"space.{name}.when.{other}: {odd!r} is {none}, so the parameter would not exist "
                "there; correct it."
            )
    runs = []
    for probe in parameter.probes():
        try:
            runs.append(space.run(space.with_condition(name, probe)))
        except ConfigError as error:
            raise ConfigError(f"space.{name} with value {probe}: {error}") from None
        require_equal(space.base, runs[-1], f"space.{name}")
    return runs


def _check_apart(space: Space) -> None:
    """Refuse two parameters of a trial that decide the same, of which one would be lost."""
    for (name, one), (other, two) in itertools.combinations(space.parameters.items(), 2):
        if set(one.paths) == set(two.paths) and not one.excludes(two):
            raise ConfigError(
                f"space.{name} and space.{other} both decide {one.paths[0]}; leave one out, or "
                "give them a when: that never holds for both."
            )


def _goal(search: SearchConfig, runs: list[RunConfig]) -> Goal:
    base = runs[0]
    if not base.training.val_samples:
        raise ConfigError("run.training.val_samples must be above 0: a search needs validation.")
    known = epoch_metrics(base) + final_metrics(base)
    expressions = tuple(Expression(one.value, known) for one in search.objectives)
    watched = search.halving.metric or _watched(search, base)
    for config in runs:
        require_watched(config)
        for expression in expressions:
            for name in expression.names:
                require_reported(name, f"objective '{expression.text}'", config, final=True)
        if search.scheduler != "none":
            require_reported(watched, "halving.metric", config, final=False)
    for expression in expressions:
        for name in expression.names:
            require_one_yardstick(name, f"objective '{expression.text}'", runs)
    if search.scheduler != "none":
        require_one_yardstick(watched, "halving.metric", runs)
        _check_rungs(search, watched, runs)
    minimize = tuple(one.direction == "minimize" for one in search.objectives)
    return Goal(expressions, minimize, watched)


def _watched(search: SearchConfig, base: RunConfig) -> str:
    value = search.objectives[0].value
    one = search.objectives[0]
    fits = value in epoch_metrics(base) and is_loss(value) == (one.direction == "minimize")
    return value if fits else watched_metric(base)


def _check_rungs(search: SearchConfig, metric: str, runs: list[RunConfig]) -> None:
    total = budget_of(runs[0]).total
    rungs = Halving(search.halving, total, search.scheduler == "hyperband").epochs
    if len(set(rungs)) < len(rungs) or rungs[-1] >= total:
        raise ConfigError(
            f"halving.rungs {list(search.halving.rungs)} of {total} epochs are after epochs "
            f"{list(rungs)}; they must be different ones before the last."
        )
    for config in runs:
        budget = budget_of(config)
        if rungs[0] <= budget.last_stage and not _moves_early(metric, config):
            raise ConfigError(
                f"halving.rungs: the first rung is after epoch {rungs[0]} of {total}, but a trial "
                f"may be in an earlier stage until epoch {budget.last_stage}, where '{metric}' "
                f"cannot change; raise it above {budget.last_stage / total:.2f}, lower the stage "
                "share, or compare a metric that the first stage moves."
            )


def _moves_early(metric: str, config: RunConfig) -> bool:
    """Whether a metric can change before a run's last stage."""
    if not isinstance(config, TrackerRunConfig):
        return False  # those epochs are its teachers'
    frozen = next(iter(config.running_stages.values())).freeze
    answers = config.traits.answers
    if answers and metric in CONDITION_METRICS[answers]:
        return "condition_head" not in frozen
    return "box_head" not in frozen


def _check_path(name: str, path: str, shares: bool) -> None:
    parts = path.split(".")
    if parts[0] == "stages" and parts[-1] == "epochs" and not shares:
        raise ConfigError(
            f"space.{name}: {path} would give trials different lengths; use kind: stage_share, "
            "which keeps the sum of two stages' epochs."
        )
    require_free(path, f"space.{name}")


def _combinations(space: Space) -> list[RunConfig]:
    """Runs drawn by chance, to see that values fit each other.

    Raises:
        ConfigError: two do not, or a run is longer or shorter than the base.
    """
    total = budget_of(space.base).total
    runs = []
    for values in _drawn(space):
        told = ", ".join(f"{name}={value}" for name, value in values.items())
        try:
            runs.append(space.run(values))
        except ConfigError as error:
            raise ConfigError(f"space: {error} where {told}; add a when:.") from None
        if (epochs := budget_of(runs[-1]).total) != total:
            raise ConfigError(
                f"space: a trial with {told} trains {epochs} epochs, the run itself {total}; all "
                "trials need the same number."
            )
    return runs


def _drawn(space: Space) -> list[Values]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        return [space.suggest(study.ask()) for _ in range(COMBINATIONS)]
    finally:
        optuna.logging.set_verbosity(level)
