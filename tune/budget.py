"""How long a run trains, in epochs, those of its teachers included."""

from __future__ import annotations

from dataclasses import dataclass

from mtl.config.run import RunConfig
from mtl.families import family_of
from mtl.training.plan import plan_of


@dataclass(frozen=True)
class Budget:
    """Epochs of a run. Teachers train beside each other, so theirs count once."""

    before: int
    """Of the runs it learns from, where it trains them itself."""
    own: int
    """Of the run itself."""
    last_stage: int
    """Epochs until its last stage begins, those before it included."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.before + self.own


def budget_of(config: RunConfig) -> Budget:
    """The epochs of a run.

    Raises:
        ConfigError: it needs teachers and has no epochs to train them.
    """
    prepared = family_of(config).prepared()
    before = max((budget_of(run).total for run in family_of(prepared).first()), default=0)
    plan = plan_of(config)
    start = plan.stages[-1].first_epoch if plan.stages else 0
    return Budget(before, plan.num_epochs, before + start)
