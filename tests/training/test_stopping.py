from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from mtl.errors import StoppedError
from mtl.training.checkpoints import Checkpoints, checkpoint_name
from mtl.training.loop import train
from mtl.training.run import NO_SIGNALS, Signals
from mtl.training.state import TrainingState
from tests.training.states import same
from tests.training.test_checkpoints import checkpoints_in
from tests.training.test_loop import config_of, run_of, without_seconds

CONFIG = config_of()
EPOCH_ENDS = (5, 10, 15)


class Keeper:
    """Keeps every state, and remembers under which names."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints, self.names = checkpoints, list[str]()

    def progress(self, news: dict[str, object]) -> None:
        pass

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        self.checkpoints.save(state, {}, keep=1)
        self.names.append(checkpoint_name(state))


def after(steps: int) -> Callable[[], bool]:
    """False for so many steps less one, then true."""
    looks = itertools.count(1)
    return lambda: next(looks) >= steps


def trained(folder: Path, signals: Signals = NO_SIGNALS) -> tuple[TrainingState, Keeper]:
    keeper = Keeper(checkpoints_in(folder))
    run = run_of(CONFIG, keeper)  # type: ignore[arg-type]
    run.signals = signals
    return train(run, keeper.checkpoints.last().state), keeper


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainingState:
    return trained(tmp_path_factory.mktemp("whole"))[0]


@pytest.mark.parametrize("steps", range(1, 16))
def test_a_run_stopped_after_any_step_keeps_that_step(
    steps: int, whole: TrainingState, tmp_path: Path
) -> None:
    with pytest.raises(StoppedError, match=f"stopped at step {steps} of 15"):
        trained(tmp_path, Signals(stop_asked=after(steps)))
    found = checkpoints_in(tmp_path).last()
    assert (found.state.step, found.name) == (steps, f"step-{steps:08d}")
    state, keeper = trained(tmp_path)
    assert without_seconds(state.history) == without_seconds(whole.history)
    assert same(state.model, whole.model)
    assert keeper.names == [f"step-{end:08d}-epoch" for end in EPOCH_ENDS if end >= steps]


def test_a_run_stopped_at_every_step_gets_to_its_end(whole: TrainingState, tmp_path: Path) -> None:
    for _ in range(15):
        with pytest.raises(StoppedError):
            trained(tmp_path, Signals(stop_asked=after(1)))
    state, _ = trained(tmp_path, Signals(stop_asked=after(1)))
    assert without_seconds(state.history) == without_seconds(whole.history)
    assert same(state.model, whole.model)


def test_a_machine_that_is_about_to_go_makes_the_run_keep_its_step_and_go_on(
    whole: TrainingState, tmp_path: Path
) -> None:
    looks, said = itertools.count(1), itertools.count(1)
    signals = Signals(look_due=lambda: next(looks) % 3 == 0, leaving=lambda: next(said) in (1, 4))
    state, keeper = trained(tmp_path, signals)
    assert keeper.names[:2] == ["step-00000003", "step-00000005-epoch"]
    assert [name for name in keeper.names if "epoch" not in name] == [
        "step-00000003", "step-00000012",
    ]  # fmt: skip
    assert without_seconds(state.history) == without_seconds(whole.history)
    assert same(state.model, whole.model)
