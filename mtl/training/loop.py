"""The one training loop. It knows a task, a plan, a source of batches and where to report.

The order of a step is read from top to bottom of `_learn`; nothing hooks in from elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mtl.config.schema import RunConfig
from mtl.errors import DataError, StoppedError
from mtl.losses.weighting import LossGroups
from mtl.tasks.reported import is_loss, watched_metric
from mtl.tasks.task import Batch, Metrics, Moment, Task
from mtl.training.balancing import Balancer, build_balancer
from mtl.training.distributed import on_any_rank, share_buffers, world, wrap
from mtl.training.gradients import GradientProbe
from mtl.training.meter import Meter
from mtl.training.optimizer import (
    build_optimizer,
    clip_gradients,
    require_finite_gradient,
    set_learning_rates,
)
from mtl.training.plan import Plan, StagePlan, plan_of
from mtl.training.state import TrainingState
from mtl.training.step import Step, autocast

FIGURE = "figure/"
"""Marks an epoch's sums of what a step tells besides its losses: weights, gradients."""


class Batches(Protocol):
    """Where micro-batches come from; they lie on the model's device."""

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """This rank's micro-batches of the steps, `accumulate` of them per step, in order."""

    def validation(self) -> Iterator[Batch]:
        """This rank's share of the validation samples."""


class Reporter(Protocol):
    """Where a run's news go. Every rank calls `checkpoint` equally often; it may be a barrier."""

    def progress(self, news: dict[str, Any]) -> None:
        """Numbers of the last steps, for eyes only; rank 0 calls it."""

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        """Keep this state; `improved` says that its weights are the best so far."""


def never() -> bool:
    """Nobody asks the run to stop."""
    return False


@dataclass(frozen=True)
class Signals:
    """What reaches a run from outside; looked at after each step, on every rank."""

    stop_asked: Callable[[], bool] = never
    """Whether this process was asked to keep the state and end."""
    look_due: Callable[[], bool] = never
    """Whether this process finds it time to ask `leaving`."""
    leaving: Callable[[], bool] = never
    """Whether a machine is about to go, which was not said before; every rank asks at once."""


NO_SIGNALS = Signals()


@dataclass
class Run:
    """One process's share of a run."""

    config: RunConfig
    task: Task
    model: nn.Module
    device: torch.device
    batches: Batches
    reporter: Reporter
    signals: Signals = NO_SIGNALS


def train(run: Run, state: TrainingState) -> TrainingState:
    """Train from `state` to the end of the plan and return the state reached.

    Raises:
        NonFiniteLossError: a loss or gradient is not finite; no weight has moved.
        DataError: the batches end early.
        StoppedError: a rank was asked to stop; the state after the step under way is kept.
    """
    plan = plan_of(run.config)
    if state.model:
        run.model.load_state_dict(state.model)
    groups = LossGroups(run.task.loss_groups, run.task.weights)
    balancer = build_balancer(run.config.weighting, groups)
    if state.balancing:
        balancer.load_state_dict(state.balancing)
    for stage in plan.stages:
        if not _closed(state, stage.last_step):
            _train_stage(run, plan, stage, state, balancer)
    if not plan.stages and not state.history:
        _validate_only(run, state)
    return state


def _closed(state: TrainingState, last_step: int) -> bool:
    """Whether the epoch that ends at this step has been closed, not only all its steps done."""
    return state.step > last_step or (state.step == last_step and not state.totals)


def _validate_only(run: Run, state: TrainingState) -> None:
    """The weights as they came count as the best; their validation is the run's only line."""
    start = time.monotonic()
    measured = validate(run, epoch=0)
    state.seconds += time.monotonic() - start
    if measured:
        place = {"epoch": 0, "stage": "pretrained", "split": "val", "step": 0, "samples": 0}
        state.history.append({**place, "seconds": round(state.seconds, 3), **measured})
    _keep(run, state, None, None, improved=True)


def _train_stage(
    run: Run, plan: Plan, stage: StagePlan, state: TrainingState, balancer: Balancer
) -> None:
    config = run.config
    run.task.set_mode(run.model, stage.config)
    model = wrap(run.model, run.device)
    optimizer = build_optimizer(
        run.task.parameter_groups(run.model, stage.config), config.optimizer
    )
    probe = GradientProbe(
        balancer.groups,
        [x for x in run.task.shared_parameters(run.model) if x.requires_grad],
        config.diagnostics.gradients_every,
    )
    scaler = torch.amp.GradScaler(run.device.type, enabled=config.training.precision == "fp16")
    if state.optimizer is not None:
        optimizer.load_state_dict(state.optimizer)
        scaler.load_state_dict(state.scaler or {})

    for epoch in range(stage.first_epoch, stage.last_epoch):
        last_step = (epoch + 1) * plan.steps_per_epoch
        if _closed(state, last_step):
            continue
        moment = Moment(epoch=epoch + 1, training=True)
        left = state.step < last_step
        stream = run.batches.training(state.step, last_step) if left else iter(())
        meter = Meter(state.totals)
        clock = Clock(state)
        while state.step < last_step:
            with clock.waiting():
                micro_batches = list(islice(stream, config.training.accumulate))
            if len(micro_batches) < config.training.accumulate:
                raise DataError(f"the training data ended at step {state.step} of {last_step}.")
            set_learning_rates(optimizer, stage.learning_rate_factor(state.step))
            step = Step(
                number=state.step,
                seed=config.seed,
                task=run.task,
                model=run.model,
                wrapped=model,
                config=config.training,
                device=run.device,
                groups=balancer.groups,
                micro_batches=micro_batches,
                moment=moment,
                scaler=scaler,
                meter=meter,
                probe=probe,
                learning_rate=_rate(optimizer),
            )
            losses, figures = _learn(step, balancer, optimizer, config.optimizer.max_grad_norm)
            state.step += 1
            due = state.step % config.training.log_every == 0 or state.step == last_step
            if due or "gradient_conflict" in figures:
                _tell(run, plan, stage, state, clock, optimizer, losses, figures)
            stop, leaving = _signals(run)
            every = config.checkpoint.every_steps
            wanted = leaving or bool(every and state.step % every == 0)
            if stop or (wanted and state.step < last_step):
                clock.stop()
                state.totals = meter.flush()
                state.balancing = balancer.state_dict()
                _keep(run, state, optimizer, scaler, improved=False)
                clock = Clock(state)
            if stop:
                raise StoppedError(f"stopped at step {state.step} of {plan.num_steps}")
        clock.stop()
        balancer.after_epoch()
        state.balancing = balancer.state_dict()
        improved = _close_epoch(run, plan, stage, epoch, state, meter.flush(), optimizer)
        if state.step == stage.last_step:
            _keep(run, state, None, None, improved)
        else:
            _keep(run, state, optimizer, scaler, improved)


def _signals(run: Run) -> tuple[bool, bool]:
    """Whether the run is asked to stop, and whether a machine is about to go, for all ranks."""
    signals = run.signals
    stop, look = on_any_rank([signals.stop_asked(), signals.look_due()], run.device)
    return stop, look and signals.leaving()


def _learn(
    step: Step, balancer: Balancer, optimizer: torch.optim.Optimizer, max_grad_norm: float | None
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """One optimiser step; returns its last micro-batch's losses with their total, and figures.

    Figures are the tasks' weights and, in some steps, how their gradients compare.
    """
    step.probe.begin_step(step.number)
    step.reseed()
    losses, weights = balancer.backward(step)
    scaler = step.scaler
    gradients = step.probe.figures(scaler.get_scale())
    scaler.unscale_(optimizer)
    norm = clip_gradients(step.model, max_grad_norm)
    if not scaler.is_enabled():  # the fp16 scaler itself skips a step that overflowed
        last = step.micro_batches[-1]
        require_finite_gradient(norm, step.number, lambda: step.task.describe(last))
    scaler.step(optimizer)
    scaler.update()
    balancer.after_step(step)
    optimizer.zero_grad(set_to_none=True)
    names = balancer.groups.names
    told = {f"weight/{name}": x for name, x in zip(names, weights.tolist(), strict=True)}
    step.meter.add(_figure_sums(told | gradients, step.device))
    return losses, told | gradients


def _rate(optimizer: torch.optim.Optimizer) -> float:
    """Largest learning rate of the optimiser's groups now."""
    return float(max(group["lr"] for group in optimizer.param_groups))


def _figure_sums(figures: dict[str, float], device: torch.device) -> dict[str, Tensor]:
    """Figures as statistics: their value and a count of one.

    Every process has the same figures, so only those of the first count.
    """
    first = float(world()[0] == 0)
    return {
        FIGURE + name: torch.tensor([value * first, first], dtype=torch.float64, device=device)
        for name, value in figures.items()
    }


def _mean_figures(totals: dict[str, Tensor]) -> dict[str, float]:
    """Each figure's mean over an epoch, taken out of the epoch's sums."""
    names = [name for name in totals if name.startswith(FIGURE)]
    means = {}
    for name in names:
        value, count = totals.pop(name).tolist()
        means[name.removeprefix(FIGURE)] = value / count
    return means


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


def _close_epoch(
    run: Run,
    plan: Plan,
    stage: StagePlan,
    epoch: int,
    state: TrainingState,
    totals: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
) -> bool:
    """Write the epoch's lines into the history; returns whether the weights are the best so far."""
    start = time.monotonic()
    place = {"epoch": epoch + 1, "stage": stage.name}
    count = {"step": state.step, "samples": state.step * run.config.training.batch_size}
    figures = _mean_figures(totals)
    trained = run.task.metrics(totals)
    state.history.append(
        {**place, "split": "train", **count, "seconds": round(state.seconds, 3)}
        | {**trained, **figures, "learning_rate": _rate(optimizer)}
    )
    measured = validate(run, epoch + 1)
    state.totals = {}
    state.seconds += time.monotonic() - start
    if measured:
        state.history.append(
            {**place, "split": "val", **count, "seconds": round(state.seconds, 3), **measured}
        )
    watched = watched_metric(run.config)
    improved = is_better(measured or trained, watched, state.best)
    if improved:
        state.best = (measured or trained).get(watched, state.best)
    return improved


def is_better(metrics: Metrics, name: str, best: float | None) -> bool:
    """Whether the watched metric beats `best`; a loss or an error is better when smaller.

    Where the metric cannot be reported (no validation split, or no labels of what it measures), the
    latest weights count as best; one that is unknown was refused before.
    """
    value = metrics.get(name)
    if value is None or best is None:
        return True
    return bool(value < best if is_loss(name) else value > best)


def _keep(
    run: Run,
    state: TrainingState,
    optimizer: torch.optim.Optimizer | None,
    scaler: torch.amp.GradScaler | None,
    improved: bool,
) -> None:
    state.model = run.model.state_dict()
    state.optimizer = optimizer.state_dict() if optimizer else None
    state.scaler = scaler.state_dict() if scaler else None
    run.reporter.checkpoint(state, improved)
    state.optimizer = state.scaler = None


def _tell(
    run: Run,
    plan: Plan,
    stage: StagePlan,
    state: TrainingState,
    clock: Clock,
    optimizer: torch.optim.Optimizer,
    losses: dict[str, Tensor],
    figures: dict[str, float],
) -> None:
    if world()[0]:
        return
    rate, wait_share = clock.speed(state.step)
    cuda = run.device.type == "cuda"
    memory = {"gpu_memory_bytes": torch.cuda.max_memory_allocated(run.device)} if cuda else {}
    run.reporter.progress(
        {
            "step": state.step,
            "num_steps": plan.num_steps,
            "epoch": (state.step - 1) // plan.steps_per_epoch + 1,
            "num_epochs": plan.num_epochs,
            "stage": stage.name,
            "samples_per_second": rate * run.config.training.batch_size,
            "step_seconds": 1 / rate,
            "data_wait_share": wait_share,
            "eta_s": (plan.num_steps - state.step) / rate,
            "learning_rate": _rate(optimizer),
            "losses": {f"loss/{name}": float(value.detach()) for name, value in losses.items()},
            **memory,
            **figures,
        }
    )


class Clock:
    """Adds the time that passes to a state's seconds, and knows the present speed."""

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._start = self._mark = time.monotonic()
        self._mark_step = state.step
        self._waited = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count what is done inside as a wait for samples."""
        start = time.monotonic()
        yield
        self._waited += time.monotonic() - start

    def stop(self) -> None:
        """Book the time since the start."""
        self._state.seconds += time.monotonic() - self._start

    def speed(self, step: int) -> tuple[float, float]:
        """Steps a second and the share of the time waited for samples, since the last call."""
        now = time.monotonic()
        passed = max(now - self._mark, 1e-9)
        rate, share = (step - self._mark_step) / passed, self._waited / passed
        self._mark, self._mark_step, self._waited = now, step, 0.0
        return rate, share
