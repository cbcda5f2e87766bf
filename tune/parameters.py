"""What can be searched: a number in a range, one of several values, a share of the epochs.

A parameter is data of a search's config. It knows where it stands in a run's config, which values
it may take, and under which values of other parameters it exists at all.
"""

from __future__ import annotations

import math
import warnings
from typing import Annotated, Any, Literal

from optuna.trial import BaseTrial, FixedTrial
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from mtl.config.base import Config
from mtl.errors import ConfigError
from tune.paths import put_at, value_at

Scalar = bool | int | float | str | None
Values = dict[str, Scalar]
"""A trial's values by the names of their parameters; those that do not exist in it are absent."""


class Parameter(Config):
    """What all parameters have in common."""

    when: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)
    """The parameter exists only where the parameters named here have these values."""

    def suggest(self, trial: BaseTrial, name: str) -> Scalar:
        """This trial's value, of the sampler's choice."""
        raise NotImplementedError

    def takes(self, value: Scalar) -> bool:
        """Whether a sampler could draw this value."""
        trial = FixedTrial({"it": value})
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is out of the range, which is asked
                self.suggest(trial, "it")
        except (TypeError, ValueError):
            return False
        distribution = trial.distributions["it"]
        return distribution._contains(distribution.to_internal_repr(value))

    def wanted(self, other: str) -> list[Scalar]:
        """Values of another parameter under which this one exists."""
        values = self.when[other]
        return values if isinstance(values, list) else [values]

    def excludes(self, other: Parameter) -> bool:
        """Whether two parameters never exist in one trial."""
        shared = self.when.keys() & other.when.keys()
        return any(not set(self.wanted(name)) & set(other.wanted(name)) for name in shared)

    def own(self, run: dict[str, Any], name: str) -> Scalar:
        """The value that the plain values of a run have.

        Raises:
            ConfigError: it is not one of those that can be searched.
        """
        raise NotImplementedError

    def apply(self, run: dict[str, Any], value: Scalar) -> None:
        """Put a value into the plain values of a run.

        Raises:
            ConfigError: there is no place for it.
        """
        raise NotImplementedError

    def probes(self) -> list[Scalar]:
        """Values which the schema of the run must accept if it is to accept all."""
        raise NotImplementedError

    @property
    def paths(self) -> tuple[str, ...]:
        """Keys of the run that it decides."""
        raise NotImplementedError


class _Range(Parameter):
    path: str
    """Key of the run's config, as in loss.cls_weight."""
    log: bool = False
    """Values are spread evenly over the logarithm."""

    @property
    def paths(self) -> tuple[str, ...]:
        """See `Parameter.paths`."""
        return (self.path,)

    def apply(self, run: dict[str, Any], value: Scalar) -> None:
        """See `Parameter.apply`."""
        put_at(run, self.path, value)

    def _own(self, run: dict[str, Any], name: str, low: float, high: float, step: Any) -> Any:
        value = _present(run, self.path, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(
                f"space.{name}: {self.path} must be a number to be searched, the run has "
                f"{value!r}; set run.{self.path}."
            )
        off_grid = step and abs((value - low) / step - round((value - low) / step)) > 1e-9
        if not low <= value <= high or off_grid:
            steps = f" in steps of {step:g}" if step else ""
            raise ConfigError(
                f"space.{name}: the run's own value {value:g} is not in {low:g} to {high:g}"
                f"{steps}; widen the range or set run.{self.path}, as the first trial has the "
                "run's own values."
            )
        return value


def _check_range(low: float, high: float, log: bool, step: float | None) -> None:
    if not low < high:
        raise ValueError(f"low must be below high, got {low:g} and {high:g}; give a range")
    if log and low <= 0:
        raise ValueError(f"log=true needs low above 0, got {low:g}; raise low or set log=false")
    if log and step:
        raise ValueError("log=true has no steps; leave out step or set log=false")
    if step and step > high - low:
        raise ValueError(f"step must be at most high - low = {high - low:g}, got {step:g}")


class FloatParameter(_Range):
    """A real number in a range."""

    kind: Literal["float"]
    """Names this kind."""
    low: float
    """Least value."""
    high: float
    """Greatest value."""
    step: PositiveFloat | None = None
    """Distance between values; none: any value in between."""

    @model_validator(mode="after")
    def _check(self) -> FloatParameter:
        _check_range(self.low, self.high, self.log, self.step)
        return self

    def suggest(self, trial: BaseTrial, name: str) -> float:
        """See `Parameter.suggest`."""
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def own(self, run: dict[str, Any], name: str) -> float:
        """See `Parameter.own`."""
        return float(self._own(run, name, self.low, self.high, self.step))

    def probes(self) -> list[Scalar]:
        """See `Parameter.probes`."""
        return [self.low, self.low + (self.step or 0.377 * (self.high - self.low)), self.high]


class IntParameter(_Range):
    """A whole number in a range."""

    kind: Literal["int"]
    """Names this kind."""
    low: int
    """Least value."""
    high: int
    """Greatest value."""
    step: PositiveInt | None = None
    """Distance between values; none: 1."""

    @model_validator(mode="after")
    def _check(self) -> IntParameter:
        _check_range(self.low, self.high, self.log, self.step)
        return self

    def suggest(self, trial: BaseTrial, name: str) -> int:
        """See `Parameter.suggest`."""
        return trial.suggest_int(name, self.low, self.high, step=self.step or 1, log=self.log)

    def own(self, run: dict[str, Any], name: str) -> int:
        """See `Parameter.own`."""
        return int(self._own(run, name, self.low, self.high, self.step or 1))

    def probes(self) -> list[Scalar]:
        """See `Parameter.probes`."""
        return [self.low, self.low + (self.step or 1), self.high]


class ChoiceParameter(Parameter):
    """One of several values, of which none is nearer to another."""

    kind: Literal["choice"]
    """Names this kind."""
    path: str
    """Key of the run's config, as in mode; with named choices it may be a whole map of keys."""
    choices: list[Scalar] | dict[str, Any]
    """The values; or names and the values they stand for, maps of keys among them."""

    @model_validator(mode="after")
    def _check(self) -> ChoiceParameter:
        if len(self.choices) < 2:
            raise ValueError(f"choices must be at least two, got {len(self.choices)}; add one")
        if len(set(map(repr, self.choices))) < len(self.choices):
            raise ValueError("choices must differ; remove one that stands twice")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """See `Parameter.paths`."""
        return (self.path,)

    def suggest(self, trial: BaseTrial, name: str) -> Scalar:
        """See `Parameter.suggest`."""
        return trial.suggest_categorical(name, list(self.choices))

    def own(self, run: dict[str, Any], name: str) -> Scalar:
        """See `Parameter.own`: the choice whose values the run has."""
        value = _present(run, self.path, name)
        for choice in self.choices:
            if _says(self._meaning(choice), value):
                return choice
        raise ConfigError(
            f"space.{name}: the run's own value {value!r} is none of the choices; add it or set "
            f"run.{self.path}, as the first trial has the run's own values."
        )

    def apply(self, run: dict[str, Any], value: Scalar) -> None:
        """See `Parameter.apply`."""
        put_at(run, self.path, self._meaning(value))

    def probes(self) -> list[Scalar]:
        """See `Parameter.probes`."""
        return list(self.choices)

    def _meaning(self, choice: Scalar) -> Any:
        return self.choices[str(choice)] if isinstance(self.choices, dict) else choice


class StageShare(Parameter):
    """How a fixed number of epochs is shared between two stages."""

    kind: Literal["stage_share"]
    """Names this kind."""
    stages: tuple[str, str]
    """The stage that gets the share, and the one that gets the rest of both their epochs."""
    low: Annotated[float, Field(ge=0.0, le=1.0)]
    """Least share of the first stage."""
    high: Annotated[float, Field(ge=0.0, le=1.0)]
    """Greatest share of the first stage."""

    @model_validator(mode="after")
    def _check(self) -> StageShare:
        _check_range(self.low, self.high, log=False, step=None)
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """See `Parameter.paths`."""
        return tuple(f"stages.{stage}.epochs" for stage in self.stages)

    def suggest(self, trial: BaseTrial, name: str) -> float:
        """See `Parameter.suggest`."""
        return trial.suggest_float(name, self.low, self.high)

    def own(self, run: dict[str, Any], name: str) -> float:
        """See `Parameter.own`."""
        first, second = (_present(run, path, name) for path in self.paths)
        share = first / (first + second) if first + second else math.nan
        if not self.low <= share <= self.high:
            raise ConfigError(
                f"space.{name}: the run's own share {first} of {first + second} epochs is not in "
                f"{self.low:g} to {self.high:g}; widen the range or set run.{self.paths[0]}, as "
                "the first trial has the run's own values."
            )
        return float(share)

    def apply(self, run: dict[str, Any], value: Scalar) -> None:
        """See `Parameter.apply`: whole epochs that add up to what the two stages have together."""
        assert isinstance(value, (int, float))
        total = sum(_present(run, path) for path in self.paths)
        first = round(value * total)
        put_at(run, self.paths[0], first)
        put_at(run, self.paths[1], total - first)

    def probes(self) -> list[Scalar]:
        """See `Parameter.probes`."""
        return [self.low, self.high]


AnyParameter = Annotated[
    FloatParameter | IntParameter | ChoiceParameter | StageShare, Field(discriminator="kind")
]
"""One parameter of a space."""


def _present(run: dict[str, Any], path: str, name: str = "") -> Any:
    try:
        return value_at(run, path)
    except KeyError:
        front = f"space.{name}: " if name else ""
        raise ConfigError(
            f"{front}the run has no '{path}'; set run.{path} or correct the path."
        ) from None


def _says(meaning: Any, value: Any) -> bool:
    """Whether a choice stands for these values of a run; keys it leaves out are free."""
    if isinstance(meaning, dict) and isinstance(value, dict):
        return all(key in value and _says(inner, value[key]) for key, inner in meaning.items())
    return bool(meaning == value) and isinstance(meaning, bool) == isinstance(value, bool)
