"""What a search says, and does, while others hold what it needs."""

from __future__ import annotations

import inspect
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.tune.trainable.function_trainable import FunctionTrainable
from rich.console import Console

from cluster.progress import Display
from mtl.config.load import load
from mtl.config.run import RunConfig
from mtl.config.training import ClusterConfig
from mtl.errors import ResourceError
from mtl.training.run_folder import RunFolder
from tests.tune.made import study_of
from tune import trial
from tune.placement import Placement
from tune.plan import check_one_fits
from tune.ray_tune import _Scheduler, _Searcher, run_trials
from tune.waiting import Waiting

ROOT = Path(__file__).resolve().parents[2]


def waiting_on(said: io.StringIO) -> Waiting:
    return Waiting(ClusterConfig(), Console(file=said, width=200))


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Display, "WAIT_S", 0.05)
    monkeypatch.setattr("tune.waiting.missing_room", lambda cluster: "no room")
    monkeypatch.setattr("tune.trial.missing_room", lambda cluster: "no room")


def test_a_search_says_once_why_no_trial_starts(no_room: None) -> None:
    said = io.StringIO()
    with waiting_on(said) as waiting:
        time.sleep(0.3)
        waiting.say("no room")
    assert said.getvalue() == "no room\n"


def test_a_search_that_starts_slowly_beside_room_enough_says_nothing(
    no_room: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tune.waiting.missing_room", lambda cluster: "")
    said = io.StringIO()
    with waiting_on(said) as waiting:
        time.sleep(0.3)
        waiting.say("no room")  # later there is none
    assert said.getvalue() == "no room\n"


def test_a_search_with_a_trial_or_without_work_says_nothing(no_room: None) -> None:
    said = io.StringIO()
    with waiting_on(said) as waiting:
        waiting.on_trial_start(0, [], None)
    with waiting_on(said):
        pass
    time.sleep(0.2)
    assert said.getvalue() == ""


def test_workers_that_do_not_start_reach_the_terminal_of_the_search(
    tmp_path: Path, no_room: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial of several workers has a process, but its workers wait."""
    results: list[dict[str, Any]] = []
    monkeypatch.setattr("tune.trial.tune.report", results.append)
    monkeypatch.setattr("tune.trial.LOOK_S", 0.02)

    def training(
        run: RunConfig, indices: Any, folder: RunFolder, console: Any, missing: Any
    ) -> None:
        missing(run.cluster)
        time.sleep(0.1)

    monkeypatch.setattr("tune.trial.run_training", training)
    config = load("demo", [f"storage={tmp_path}", "name=x", "cluster.workers=2"])
    trial._train_below(config, None)  # type: ignore[arg-type]
    assert results == [{trial.WAITS: "no room"}]

    said = io.StringIO()
    study = study_of(tmp_path / "s")
    searcher = _Searcher(study)
    searcher.numbers["t"] = 0
    scheduler = _Scheduler(study, searcher, waiting_on(said))
    known = type("Trial", (), {"trial_id": "t"})()
    assert scheduler.on_trial_result(None, known, results[0]) == "CONTINUE"
    assert said.getvalue() == "no room\n"


def test_the_process_of_a_trial_gives_the_one_before_time_to_end() -> None:
    name = "TUNE_FUNCTION_THREAD_TIMEOUT_S"
    assert name in inspect.getsource(FunctionTrainable.reset_config)
    environment = {key: value for key, value in os.environ.items() if key != name}
    code = f"import os, tune.trial; print(os.environ[{name!r}])"
    command = [sys.executable, "-c", code]
    told = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert int(told.stdout) == 60


@ray.remote(num_cpus=1)
class Other:
    """A process of somebody else's job."""

    def here(self) -> None:
        pass


class OneThatFails:
    """A source of one trial whose data is not there."""

    def __init__(self) -> None:
        self.runs = [load("demo", ["name=x", "storage=/nowhere/else", "data.root=/nowhere"])]
        self.reason = ""

    def begin(self) -> tuple[int, RunConfig] | None:
        return (0, self.runs.pop()) if self.runs else None

    def told(self, number: int, epoch: int, metrics: dict[str, Any]) -> bool:
        return False

    def stopped(self, number: int) -> None:
        raise AssertionError(number)

    def failed(self, number: int, reason: str) -> None:
        self.reason = reason

    def finished(self, number: int) -> None:
        raise AssertionError(number)


@pytest.mark.ray
def test_a_search_beside_a_full_cluster_says_so_and_goes_on(
    local_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Display, "WAIT_S", 2.0)
    total = int(ray.cluster_resources()["CPU"])
    other = Other.options(num_cpus=total).remote()  # type: ignore[attr-defined]
    ray.get(other.here.remote())
    said, source = io.StringIO(), OneThatFails()

    def leave() -> None:
        end = time.monotonic() + 60
        while not said.getvalue() and time.monotonic() < end:
            time.sleep(0.1)
        ray.kill(other)

    thread = threading.Thread(target=leave)
    thread.start()
    run_trials(source, 1, None, Placement(1, 1, 1.0, 0.0, 0, ""), waiting_on(said))
    thread.join()
    assert said.getvalue() == (
        f"still waiting for 1 worker with 1 CPU each to start; 0 of {total} CPU are free.\n"
    )
    assert "/nowhere" in source.reason


@pytest.mark.ray
def test_what_no_trial_fits_is_no_room_to_wait_in(local_cluster: str) -> None:
    check_one_fits(load("demo", ["cluster.gpus_per_worker=0"]))
    total = int(ray.cluster_resources()["CPU"])
    words = ["cluster.gpus_per_worker=0", "cluster.decode_in_tasks=false"]
    all_of_it = load("demo", [*words, f"cluster.workers={total}"])
    with pytest.raises(ResourceError, match="no trial can be placed"):  # a CPU is the data's
        check_one_fits(all_of_it)
