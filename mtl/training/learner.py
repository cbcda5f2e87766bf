"""What learns in a stage, and how it takes a step."""

from __future__ import annotations

import torch
from torch import Tensor

from mtl.tasks.task import Batch, Moment
from mtl.training.balancing import Balancer
from mtl.training.distributed import wrap
from mtl.training.figures import figure_sums
from mtl.training.gradients import GradientProbe
from mtl.training.meter import Meter
from mtl.training.optimizer import (
    build_optimizer,
    clip_gradients,
    require_finite_gradient,
    set_learning_rates,
)
from mtl.training.plan import StagePlan
from mtl.training.run import Run
from mtl.training.state import TrainingState
from mtl.training.step import Setting, Step


class Learner:
    """The model in a stage's mode with its optimiser, made anew for each stage.

    Args:
        run: of the model.
        stage: says what learns, and how fast.
        balancer: of the run; it outlives the stage.
    """

    def __init__(self, run: Run, stage: StagePlan, balancer: Balancer) -> None:
        self._run, self._stage, self._balancer = run, stage, balancer
        config, task = run.config, run.task
        task.set_mode(run.model, stage.config)
        model = wrap(run.model, run.device)
        groups = task.parameter_groups(run.model, stage.config)
        self._optimizer = build_optimizer(groups, config.optimizer)
        shared = [x for x in task.shared_parameters(run.model) if x.requires_grad]
        self._setting = Setting(
            run=run,
            model=model,
            groups=balancer.groups,
            scaler=torch.amp.GradScaler(
                run.device.type, enabled=config.training.precision == "fp16"
            ),
            probe=GradientProbe(balancer.groups, shared, config.diagnostics.gradients_every),
        )

    @property
    def learning_rate(self) -> float:
        """Largest learning rate of the optimiser's groups now."""
        return float(max(group["lr"] for group in self._optimizer.param_groups))

    def load(self, state: TrainingState) -> None:
        """Go on from a state inside the stage; one between stages changes nothing."""
        if state.optimizer is not None:
            self._optimizer.load_state_dict(state.optimizer)
            self._setting.scaler.load_state_dict(state.scaler or {})

    def save(self, state: TrainingState) -> None:
        """Put into a state what `load` takes out of it."""
        state.optimizer = self._optimizer.state_dict()
        state.scaler = self._setting.scaler.state_dict()

    def learn(
        self, number: int, micro_batches: list[Batch], moment: Moment, meter: Meter
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        """One optimiser step, in the order of its lines.

        Args:
            number: of the step in the run, from 0.
            micro_batches: of this process.
            moment: of the run.
            meter: takes the statistics of losses and figures.

        Returns:
            The last micro-batch's losses with their total; and figures: the tasks' weights and, in
            some steps, how their gradients compare.

        Raises:
            NonFiniteLossError: a loss or gradient is not finite; no weight has moved.
        """
        run, scaler, probe = self._run, self._setting.scaler, self._setting.probe
        set_learning_rates(self._optimizer, self._stage.learning_rate_factor(number))
        step = Step(self._setting, number, micro_batches, moment, meter, self.learning_rate)
        probe.begin_step(number)
        step.reseed()
        losses, weights = self._balancer.backward(step)
        gradients = probe.figures(scaler.get_scale())
        scaler.unscale_(self._optimizer)
        norm = clip_gradients(run.model, run.config.optimizer.max_grad_norm)
        if not scaler.is_enabled():  # the fp16 scaler itself skips a step that overflowed
            require_finite_gradient(norm, number, lambda: run.task.describe(micro_batches[-1]))
        scaler.step(self._optimizer)
        scaler.update()
        self._balancer.after_step(step)
        self._optimizer.zero_grad(set_to_none=True)
        names = self._balancer.groups.names
        told = {f"weight/{name}": x for name, x in zip(names, weights.tolist(), strict=True)}
        figures = told | gradients
        meter.add(figure_sums(figures, run.device))
        return losses, figures
