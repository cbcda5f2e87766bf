"""Metrics of the weights as they are."""

from __future__ import annotations

import torch

from mtl.tasks.task import Metrics, Moment
from mtl.training.distributed import share_buffers
from mtl.training.meter import Meter
from mtl.training.run import Run
from mtl.training.step import autocast


def validate(run: Run, epoch: int) -> Metrics:
    """Metrics over the validation samples of all ranks; empty where there are none.

    The model is left in the mode it had, which may differ from part to part.
    """
    if not run.config.training.val_samples:
        return {}
    share_buffers(run.model)
    modes = {module: module.training for module in run.model.modules()}
    run.model.eval()
    meter = Meter({})
    with torch.inference_mode(), autocast(run.config.training, run.device):
        for batch in run.batches.validation():
            meter.add(run.task.losses(run.model, batch, Moment(epoch, training=False)).statistics)
    for module, training in modes.items():
        module.training = training
    return run.task.metrics(meter.flush())
