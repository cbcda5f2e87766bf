"""How tasks are learned one after another, and what keeps the earlier ones.

The default weights of EWC and LwF are those of the few tried that kept most: unified_demo with 6
epochs a phase, the last weights, one seed, 40 embedded validation scenes of each task.

               mIoU after seg, det, cls    mAP after det, cls    top1
    none          0.729  0.237  0.118         0.371  0.000       0.925
    EWC 100       0.729  0.195  0.208         0.391  0.090       0.975
    EWC 10000     0.729  0.655  0.604         0.349  0.228       0.900
    LwF 1         0.729  0.745  0.695         0.390  0.195       0.925
"""

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
    ewc_weight: NonNegativeFloat = 1e4
    """EWC: lambda of Kirkpatrick et al. (2017), on half the sum of Fisher * change squared. Depends
    on the losses' sizes: try powers of ten."""
    fisher_images: PositiveInt = 64
    """EWC: training images of a task that its Fisher information is estimated on, one by one."""
    lwf_weight: NonNegativeFloat = 1.0
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
