"""A space: parameters in an order in which conditions come before what depends on them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from optuna.trial import BaseTrial

from cluster.storage import absolute_weights
from mtl.config.load import validate
from mtl.config.run import RunConfig
from mtl.errors import ConfigError
from tune.budget import budget_of
from tune.parameters import Parameter, Scalar, StageShare, Values


class Space:
    """What a search varies, over the run that it starts from."""

    def __init__(self, parameters: Mapping[str, Parameter], base: RunConfig) -> None:
        self.asked = base
        """The run as it is written."""
        self.base = _placed(base)
        """The same, with weights named absolutely: trials are trained in other folders."""
        self._plain = base.model_dump(mode="json")
        self.parameters = {name: parameters[name] for name in _ordered(parameters)}

    def suggest(self, trial: BaseTrial) -> Values:
        """A trial's values, of the sampler's choice."""
        return self._collect(lambda name, parameter: parameter.suggest(trial, name))

    def own(self) -> Values:
        """The values that the base run has itself.

        Raises:
            ConfigError: one of them lies outside of the space.
        """
        return self._collect(lambda name, parameter: parameter.own(self._plain, name))

    def exists(self, name: str, values: Values) -> bool:
        """Whether a parameter exists beside these values of those it depends on."""
        return all(
            other in values and values[other] in self.parameters[name].wanted(other)
            for other in self.parameters[name].when
        )

    def run(self, values: Values, **changes: object) -> RunConfig:
        """The run of a trial: the base run with these values and changes of top-level keys.

        Where a stage does not run (the condition head's, in a mode without one), its share of the
        epochs goes to the other stage, so that all trials have the same number of epochs.

        Raises:
            ConfigError: the schema refuses it.
        """
        config = self._run(values, changes)
        for name, parameter in self.parameters.items():
            if not isinstance(parameter, StageShare) or not values.get(name):
                continue
            if not self._both_run(parameter, config):
                config = self._run(values | {name: 0.0}, changes)
        return config

    def with_condition(self, name: str, value: Scalar) -> Values:
        """A parameter's value, and values of those it depends on under which it exists."""
        wanted: Values = {name: value}
        for other in reversed(self.parameters):
            if other in wanted:
                for parent in self.parameters[other].when:
                    wanted.setdefault(parent, self.parameters[other].wanted(parent)[0])
        return wanted

    def _run(self, values: Values, changes: dict[str, object]) -> RunConfig:
        run: dict[str, Any] = self.base.model_copy(update=changes).model_dump(mode="json")
        for name, parameter in self.parameters.items():
            if name in values:
                parameter.apply(run, values[name])
        return _placed(validate(run, "the trial's config"))

    def _both_run(self, parameter: StageShare, config: RunConfig) -> bool:
        planned = sum(config.stages[stage].epochs for stage in parameter.stages)
        return budget_of(config).total >= planned

    def _collect(self, value_of: Callable[[str, Parameter], Scalar]) -> Values:
        values: Values = {}
        for name, parameter in self.parameters.items():
            if self.exists(name, values):
                values[name] = value_of(name, parameter)
        return values


def _placed(config: RunConfig) -> RunConfig:
    return absolute_weights(config, Path.cwd(), Path.home())


def _ordered(parameters: Mapping[str, Parameter]) -> Iterator[str]:
    """Names, each after those that its conditions name.

    Raises:
        ConfigError: a condition names no parameter, or depends on itself.
    """
    done: set[str] = set()
    waiting = list(parameters)
    while waiting:
        ready = [name for name in waiting if parameters[name].when.keys() <= done]
        if not ready:
            raise ConfigError(_unmet(parameters, waiting))
        name = ready[0]
        done.add(name)
        waiting.remove(name)
        yield name


def _unmet(parameters: Mapping[str, Parameter], waiting: list[str]) -> str:
    for name in waiting:
        for other in parameters[name].when:
            if other not in parameters:
                near = difflib.get_close_matches(other, list(parameters), n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"add space.{other}."
                return f"space.{name}.when: '{other}' is no parameter of the space; {hint}"
    return (
        f"space.{waiting[0]}.when depends on itself by way of {', '.join(waiting)}; cut the ring."
    )
