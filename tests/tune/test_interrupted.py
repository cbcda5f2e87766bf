"""Searches that are killed, stopped by hand, or lose a process or a node: every trial once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState
from ray.cluster_utils import Cluster

from tests.processes import workers_of
from tests.tune.conftest import TINY, study_in

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = [sys.executable, str(ROOT / "tune" / "search.py")]


def begin(storage: Path, name: str, address: str, *words: str) -> subprocess.Popen[str]:
    """Start the search, or go on with it, as a user does."""
    known = (storage / name / "search.yaml").is_file()
    asked = ["resume=true"] if known else [*TINY, "trials=3", "reruns.top=0", *words]
    command = [*SCRIPT, *asked, f"name={name}", f"storage={storage}"]
    environment = {**os.environ, "RAY_ADDRESS": address}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lines_in(folder: Path) -> int:
    """Lines that all trials together have reported."""
    return sum(len(file.read_text().splitlines()) for file in folder.glob("trials/*/metrics.jsonl"))


def told(folder: Path) -> list[tuple[object, ...]]:
    """Every trial: its values, how it ended, what it reached, and how long it trained."""
    return [
        (t.number, t.params, t.state, t.values, t.user_attrs["epochs"])
        for t in study_in(folder).trials
    ]


def test_a_driver_killed_at_three_moments(local_cluster: str, searched: Path) -> None:
    folder = searched.parent / "killed"
    for _ in range(3):
        before = lines_in(folder)
        more = random.randint(1, 5)
        if before + more >= lines_in(searched):
            break
        process = begin(folder.parent, folder.name, local_cluster)
        wait_until(lambda least=before + more: lines_in(folder) >= least, process)  # type: ignore[misc]
        time.sleep(random.uniform(0, 2))
        process.kill()
        process.wait()
        time.sleep(3)  # the cluster ends what the driver had started
    process = begin(folder.parent, folder.name, local_cluster)
    assert process.wait() == 0, process.communicate()[1]
    assert told(folder) == told(searched)


def test_a_search_stopped_by_hand(local_cluster: str, searched: Path) -> None:
    folder = searched.parent / "stopped"
    process = begin(folder.parent, folder.name, local_cluster)
    wait_until(lambda: lines_in(folder) >= 10, process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines()[-1] == (
        "stopped; resume=true with this name goes on with every trial kept."
    )
    process = begin(folder.parent, folder.name, local_cluster)
    assert process.wait() == 0, process.communicate()[1]
    assert told(folder) == told(searched)


def test_a_trial_whose_process_is_killed(local_cluster: str, searched: Path) -> None:
    folder = searched.parent / "lost"
    process = begin(folder.parent, folder.name, local_cluster)
    wait_until(lambda: lines_in(folder) >= 10, process)
    (trial,) = workers_of(local_cluster, "ImplicitFunc")
    trial.kill()
    assert process.wait() == 0, process.communicate()[1]
    assert told(folder) == told(searched)


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    """A head that trains nothing, and one node that does."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=4, object_store_memory=100 << 20)
    yield cluster
    cluster.shutdown()


def test_a_node_that_goes_away_while_another_comes(nodes: Cluster, searched: Path) -> None:
    folder = searched.parent / "moved"
    process = begin(folder.parent, folder.name, nodes.address)
    wait_until(lambda: lines_in(folder) >= 10, process)
    (first,) = nodes.worker_nodes
    nodes.add_node(num_cpus=4, object_store_memory=100 << 20)
    nodes.remove_node(first, allow_graceful=False)
    assert process.wait() == 0, process.communicate()[1]
    assert told(folder) == told(searched)


def test_trials_of_two_workers(local_cluster: str, tmp_path: Path) -> None:
    process = begin(tmp_path, "two", local_cluster, "run.cluster.workers=2", "trials=2")
    assert process.wait() == 0, process.communicate()[1]
    first, second = study_in(tmp_path / "two").trials
    assert first.state is TrialState.COMPLETE
    assert second.state in (TrialState.COMPLETE, TrialState.PRUNED)
    assert first.user_attrs["epochs"] == 4
