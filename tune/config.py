"""Every key of a search, with its default, its range and one sentence of documentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from mtl.config.base import Config
from tune.parameters import AnyParameter


class ObjectiveConfig(Config):
    """What makes one trial better than another."""

    value: str
    """A metric of the validation split (iou, ao, map, ...) or arithmetic, as in 0.7*ao + 0.3*iou;
    after each epoch or of the final evaluation, of the weights the run keeps as its best."""
    direction: Literal["maximize", "minimize"] = "maximize"
    """Whether larger or smaller values are better."""


class HalvingConfig(Config):
    """When trials are stopped early: at a rung only the best of those that came so far go on."""

    metric: str | None = None
    """Validation metric compared at the rungs; none: the objective where that is one metric of
    each epoch, else the metric that chooses a run's best weights."""
    rungs: tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...] = Field(
        default=(0.25, 0.5), min_length=1
    )
    """Shares of a trial's epochs, rising; the first lies after the stage switch."""
    reduction_factor: Annotated[float, Field(gt=1.0)] = 3.0
    """One in this many goes on from a rung."""

    @model_validator(mode="after")
    def _check(self) -> HalvingConfig:
        if list(self.rungs) != sorted(set(self.rungs)):
            raise ValueError(f"rungs must rise, got {list(self.rungs)}; sort them")
        return self


class Reruns(Config):
    """The best trials are trained again before one is called best."""

    top: NonNegativeInt = 2
    """How many of the best trials, besides the run's own values; 0: none is trained again."""
    seeds: PositiveInt = 3
    """Times each is trained, with seeds of its own."""


class SearchConfig(Config):
    """A whole search. What the command resolves from preset, file and overrides."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the search and its folder; none: preset and time."""
    storage: str = "runs"
    """Folder of the search folders, on a disk that all nodes reach."""
    resume: bool = False
    """Go on with the search of this name."""
    seed: NonNegativeInt = 42
    """Seed of the sampler; trials have the seed of the run."""
    run: dict[str, Any] = Field(default_factory=lambda: {"preset": "demo"})
    """The run that is varied: `preset` (name or YAML file), and keys of it that are changed."""
    space: dict[str, AnyParameter] = Field(min_length=1)
    """What is varied, by names of your choice."""
    objectives: tuple[ObjectiveConfig, ...] = Field(
        default=(ObjectiveConfig(value="iou"),), min_length=1
    )
    """What is improved; of several the trials that no other beats in all are kept."""
    trials: PositiveInt = 20
    """Trials, those that are stopped early or fail included; the first has the run's own values."""
    warm_start: str | None = None
    """Folder of an earlier search whose best values are tried next."""
    sampler: Literal["tpe", "random"] = "tpe"
    """Tree-structured Parzen estimator, which learns from past trials, or chance."""
    startup_trials: PositiveInt = 10
    """Trials by chance before the estimator has enough to learn from. It compares trials at the
    last rung that as many have reached, by the objective once as many have ended."""
    scheduler: Literal["asha", "hyperband", "none"] = "asha"
    """Stop early at every rung; at rungs from the first, second, ... on in turn; or never."""
    halving: HalvingConfig = HalvingConfig()
    """Rungs of the scheduler."""
    reruns: Reruns = Reruns()
    """Confirmation of the best."""
    concurrent_trials: PositiveInt | None = None
    """Trials at a time; none: as many as the cluster places. 1 repeats trial by trial."""

    @model_validator(mode="after")
    def _check(self) -> SearchConfig:
        if len(self.objectives) > 1 and self.scheduler != "none":
            raise ValueError(
                "several objectives have no order in which trials could be stopped early; set "
                "scheduler=none"
            )
        return self
