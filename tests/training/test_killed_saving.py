"""A process killed inside the save of a checkpoint, at every moment that can be named."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from mtl.training.loop import train
from mtl.training.state import TrainingState
from tests.training.states import same
from tests.training.test_checkpoints import ELSEWHERE, checkpoints_in
from tests.training.test_loop import config_of, run_of, without_seconds

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

EVENTS = (
    "open", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir",
    "shutil.rmtree",
)  # fmt: skip
"""What Python says of its own file operations; Arrow's and torch's lie between them."""
CONFIG = config_of("checkpoint.every_steps=2")
STEPS = [0, 2, 4, 5]
"""Where nothing is kept yet, and at the saves: every two steps, and at the end of the epoch."""
LIVED = 0


class Keeper:
    """Keeps every state as a trial does; kills this process inside the save of one of them."""

    def __init__(self, folder: Path, where: str, at_save: int, moment: int) -> None:
        self.checkpoints = checkpoints_in(folder, where)
        self.at_save, self.moment, self.saves, self.saving = at_save, moment, 0, False
        if at_save:
            sys.addaudithook(self.heard)

    def heard(self, event: str, _: tuple[object, ...]) -> None:
        if self.saving and event in EVENTS:
            if self.moment == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self.moment -= 1

    def progress(self, news: dict[str, object]) -> None:
        pass

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        self.saves += 1
        self.saving = self.saves == self.at_save
        self.checkpoints.save(state, {}, keep=2)
        self.saving = False


def go_on(folder: Path, where: str, at_save: int = 0, moment: int = 0) -> TrainingState:
    """Train from what is kept to the end, or to the moment inside a save."""
    torch.set_num_threads(1)
    keeper = Keeper(folder, where, at_save, moment)
    return train(run_of(CONFIG, keeper), keeper.checkpoints.last().state)  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ELSEWHERE)
@pytest.mark.parametrize("at_save", [1, 3])
def test_a_run_killed_at_any_moment_of_a_save_ends_with_the_same_weights(
    where: str, at_save: int, tmp_path: Path
) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    whole = go_on(tmp_path / "whole", where)
    killed = 0
    for moment in itertools.count():
        folder = tmp_path / str(moment)
        child = processes.Process(target=go_on, args=(folder, where, at_save, moment))
        child.start()
        child.join()
        if child.exitcode == LIVED:
            break
        assert child.exitcode == -signal.SIGKILL
        killed += 1
        before = checkpoints_in(folder, where).last()
        assert before.state.step in STEPS[at_save - 1 : at_save + 1]
        state = go_on(folder, where)
        assert without_seconds(state.history) == without_seconds(whole.history), moment
        assert same(state.model, whole.model), moment
    assert killed > 15


def test_a_run_killed_at_any_time_ends_with_the_same_weights(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    started = time.monotonic()
    whole = go_on(tmp_path / "whole", "a disk")
    seconds = time.monotonic() - started
    for tenth in range(1, 10):
        folder = tmp_path / str(tenth)
        child = processes.Process(target=go_on, args=(folder, "a disk"))
        child.start()
        child.join(timeout=seconds * tenth / 10)
        child.kill()
        child.join()
        assert same(go_on(folder, "a disk").model, whole.model), tenth
