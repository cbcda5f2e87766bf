"""How tasks are learned one after another, and what keeps the earlier ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from mtl.config.base import Config
from mtl.config.unified import UnifiedTaskName

RetentionMethod = Literal["none", "replay", "ewc", "lwf"]
RETENTION_METHODS: tuple[RetentionMethod, ...] = ("none", "replay", "ewc", "lwf")


class RetentionConfig(Config):
    """Learning tasks one after another, used with train_type=sequential."""

    method: RetentionMethod = "none"
    """What keeps the earlier tasks: nothing, some of their images, a penalty on changing weights
    that matter to them (EWC), or the answers of the model as it was before (LwF)."""
    compare: Annotated[tuple[RetentionMethod, ...], Field(min_length=1)] = RETENTION_METHODS
    """Methods that `cluster/retention.py` trains, each a row of its table."""
    order: Annotated[tuple[UnifiedTaskName, ...], Field(min_length=2)] = ("seg", "det", "cls")
    """The tasks in the order in which they are learned, each as long as a teacher learns."""
    memory_images: PositiveInt = 16
    """Replay: training images kept of each earlier task; each step sees as many of them as of the
    new task."""
    ewc_weight: NonNegativeFloat = 1000.0
    """EWC: lambda of Kirkpatrick et al. (2017), on half the sum of Fisher * change squared."""
    fisher_images: PositiveInt = 64
    """EWC: training images of a task that its Fisher information is estimated on, one by one."""
    lwf_weight: NonNegativeFloat = 2.0
    """LwF: factor of the distance from the model before, measured as loss.distillation says."""

    @model_validator(mode="after")
    def _check(self) -> RetentionConfig:
        for name, what, given in (
            ("order", "task", self.order),
            ("compare", "method", self.compare),
        ):
            if len(set(given)) < len(given):
                raise ValueError(f"{name} must name each {what} once, got {', '.join(given)}")
        return self
