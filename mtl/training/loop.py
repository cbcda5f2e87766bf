"""The one training loop. It knows a task, a plan, a source of batches and where to report.

Stages, epochs and steps are read from top to bottom here, the order within a step in
`Learner.learn`; nothing hooks in from elsewhere.
"""

from __future__ import annotations

import time
from itertools import islice

import torch
from torch import Tensor

from mtl.errors import DataError, StoppedError
from mtl.losses.weighting import LossGroups
from mtl.tasks.reported import is_better, watched_metric
from mtl.tasks.task import Moment
from mtl.training.balancing import Balancer, build_balancer
from mtl.training.clock import Clock
from mtl.training.distributed import on_any_rank, world
from mtl.training.figures import mean_figures
from mtl.training.learner import Learner
from mtl.training.meter import Meter
from mtl.training.plan import Plan, StagePlan, plan_of
from mtl.training.run import Run
from mtl.training.state import TrainingState
from mtl.training.validation import validate


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


def _train_stage(
    run: Run, plan: Plan, stage: StagePlan, state: TrainingState, balancer: Balancer
) -> None:
    learner = Learner(run, stage, balancer)
    learner.load(state)
    for epoch in range(stage.first_epoch, stage.last_epoch):
        if _closed(state, (epoch + 1) * plan.steps_per_epoch):
            continue
        totals = _train_epoch(run, plan, stage, epoch, state, balancer, learner)
        balancer.after_epoch()
        state.balancing = balancer.state_dict()
        improved = _close_epoch(run, stage, epoch, state, totals, learner.learning_rate)
        _keep(run, state, learner if state.step < stage.last_step else None, improved)


def _train_epoch(
    run: Run,
    plan: Plan,
    stage: StagePlan,
    epoch: int,
    state: TrainingState,
    balancer: Balancer,
    learner: Learner,
) -> dict[str, Tensor]:
    """Take the steps of an epoch that are not done; returns the statistics of all its steps."""
    config, last_step = run.config, (epoch + 1) * plan.steps_per_epoch
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
        losses, figures = learner.learn(state.step, micro_batches, moment, meter)
        state.step += 1
        due = state.step % config.training.log_every == 0 or state.step == last_step
        if due or "gradient_conflict" in figures:
            _tell(run, plan, stage, state, clock, learner.learning_rate, losses, figures)
        stop, leaving = _signals(run)
        every = config.checkpoint.every_steps
        wanted = leaving or bool(every and state.step % every == 0)
        if stop or (wanted and state.step < last_step):
            clock.stop()
            state.totals = meter.flush()
            state.balancing = balancer.state_dict()
            _keep(run, state, learner, improved=False)
            clock = Clock(state)
        if stop:
            raise StoppedError(f"stopped at step {state.step} of {plan.num_steps}")
    clock.stop()
    return meter.flush()


def _signals(run: Run) -> tuple[bool, bool]:
    """Whether the run is asked to stop, and whether a machine is about to go, for all ranks."""
    signals = run.signals
    stop, look = on_any_rank([signals.stop_asked(), signals.look_due()], run.device)
    return stop, look and signals.leaving()


def _tell(
    run: Run,
    plan: Plan,
    stage: StagePlan,
    state: TrainingState,
    clock: Clock,
    learning_rate: float,
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
            "learning_rate": learning_rate,
            "losses": {f"loss/{name}": float(value.detach()) for name, value in losses.items()},
            **memory,
            **figures,
        }
    )


def _close_epoch(
    run: Run,
    stage: StagePlan,
    epoch: int,
    state: TrainingState,
    totals: dict[str, Tensor],
    learning_rate: float,
) -> bool:
    """Write the epoch's lines into the history; returns whether the weights are the best so far."""
    start = time.monotonic()
    place = {"epoch": epoch + 1, "stage": stage.name}
    count = {"step": state.step, "samples": state.step * run.config.training.batch_size}
    figures = mean_figures(totals)
    trained = run.task.metrics(totals)
    state.history.append(
        {**place, "split": "train", **count, "seconds": round(state.seconds, 3)}
        | {**trained, **figures, "learning_rate": learning_rate}
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


def _validate_only(run: Run, state: TrainingState) -> None:
    """The weights as they came count as the best; their validation is the run's only line."""
    start = time.monotonic()
    measured = validate(run, epoch=0)
    state.seconds += time.monotonic() - start
    if measured:
        place = {"epoch": 0, "stage": "pretrained", "split": "val", "step": 0, "samples": 0}
        state.history.append({**place, "seconds": round(state.seconds, 3), **measured})
    _keep(run, state, None, improved=True)


def _keep(run: Run, state: TrainingState, learner: Learner | None, improved: bool) -> None:
    """Hand the state on; without a learner it is one between stages."""
    state.model = run.model.state_dict()
    state.optimizer = state.scaler = None
    if learner:
        learner.save(state)
    run.reporter.checkpoint(state, improved)
    state.optimizer = state.scaler = None
