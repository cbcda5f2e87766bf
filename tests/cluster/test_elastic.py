"""A run whose nodes go away, with and without a word before, and come."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from tests.cluster.heads import RAY
from tests.cluster.test_train import metrics_of, wait_for
from tests.records import last_step, lost, records
from tests.training.unified_runs import TINY

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[2]
# Statistics of normalisation depend on who sees which images, so they are left alone.
WORDS = [
    "unified_demo", *TINY, "train_type=cls", "model.normalization=frozen", "training.batch_size=4",
    "training.samples_per_epoch=80", "stages.teachers.epochs=4", "training.num_threads=1",
    "checkpoint.every_steps=4", "model.backbone.drop_path=0",
]  # fmt: skip


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    """A head that trains nothing, and two nodes with room for one worker each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(2):
        cluster.add_node(num_cpus=2, object_store_memory=100 << 20)
    yield cluster
    cluster.shutdown()


def begin(storage: Path, address: str, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "cluster" / "train.py"), *WORDS, f"storage={storage}"]
    environment = {
        **os.environ,
        "RAY_ADDRESS": address,
        # A node that went away is waited for this long.
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "20",
    }
    return subprocess.Popen(
        [*command, "cluster.cpus_per_worker=2", *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, "the run ended before its time"
        assert time.monotonic() < deadline
        time.sleep(0.1)


def curve(run: Path) -> list[dict[str, Any]]:
    return [line for line in metrics_of(run) if line["stage"] == "teachers"]


def test_the_loss_curve_does_not_depend_on_how_many_workers_there_were(
    nodes: Cluster, tmp_path: Path
) -> None:
    # One worker of [1, 2] takes the micro-batches of both, and so does this one from the start.
    words = ["name=alone", "cluster.workers=1", "training.accumulate=2"]
    alone = begin(tmp_path, nodes.address, *words)
    assert alone.wait() == 0, alone.communicate()[0]
    process = begin(tmp_path, nodes.address, "name=elastic", "cluster.workers=[1,2]")
    lines = tmp_path / "elastic" / "metrics.jsonl"
    wait_for(lines, process)
    gone, _ = nodes.worker_nodes
    nodes.remove_node(gone, allow_graceful=False)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    one, both = curve(tmp_path / "alone"), curve(tmp_path / "elastic")
    assert [line["step"] for line in both] == [line["step"] for line in one]
    for ours, theirs in zip(both, one, strict=True):
        assert ours["loss/total"] == pytest.approx(theirs["loss/total"], rel=1e-5)


def test_a_node_that_says_when_it_goes_takes_no_epoch_with_it(
    nodes: Cluster, tmp_path: Path
) -> None:
    """The only checkpoint within the epoch is the one that is kept because of its notice."""
    words = ["training.samples_per_epoch=8000", "stages.teachers.epochs=1"]
    words += ["checkpoint.every_steps=null", "diagnostics.record_samples=true"]
    process = begin(tmp_path, nodes.address, "name=drained", "cluster.workers=2", *words)
    wait_until(lambda: last_step(tmp_path / "drained") >= 5, process)
    going, _ = nodes.worker_nodes
    nodes.add_node(num_cpus=2, object_store_memory=100 << 20)
    subprocess.run(
        [
            RAY, "drain-node", "--address", nodes.address, "--node-id", going.node_id,
            "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot",
            "--deadline-remaining-seconds", "20",
        ],
        check=True,
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
    )  # fmt: skip
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert f"node {going.node_id[:8]} is about to go; the state is kept now" in said
    kept = re.search(r"going on at step (\d+) of run", said)
    assert kept, said
    assert 0 < int(kept[1]) < 2000
    for record in records(tmp_path / "drained"):
        assert len(lost(record)) == 1
        assert len(set(record)) == len(dict(record)) == 2000  # no step had other samples again


def test_a_run_that_lost_a_node_takes_the_next_one_that_comes(
    nodes: Cluster, tmp_path: Path
) -> None:
    run = tmp_path / "growing"
    words = ["training.samples_per_epoch=400000", "diagnostics.record_samples=true"]
    process = begin(tmp_path, nodes.address, "name=growing", "cluster.workers=[1,2]", *words)

    def of_second() -> int:
        return max((step for step, _ in records(run)[1]), default=-1)

    wait_until(lambda: len(records(run)) == 2 and of_second() >= 5, process)
    gone, _ = nodes.worker_nodes
    nodes.remove_node(gone, allow_graceful=False)
    wait_until(lambda: last_step(run) > of_second() + 5, process)
    alone = last_step(run)
    nodes.add_node(num_cpus=2, object_store_memory=100 << 20)
    wait_until(lambda: of_second() > alone, process)
    process.terminate()
    said, _ = process.communicate()
    assert process.returncode == 143, said
    first, second = (dict(record) for record in records(run))
    both = [step for step in second if step > alone]
    assert both
    assert all(first[step] != second[step] for step in both)  # each has its own half of a batch


def test_a_run_that_lost_a_node_says_what_it_waits_for(nodes: Cluster, tmp_path: Path) -> None:
    words = ["training.samples_per_epoch=400000", "diagnostics.record_samples=true"]
    process = begin(tmp_path, nodes.address, "name=short", "cluster.workers=2", *words)
    assert process.stdout

    def said(words: str) -> str:
        assert process.stdout
        return next(line for line in process.stdout if words in line)

    wait_until(lambda: last_step(tmp_path / "short") >= 5, process)
    gone, _ = nodes.worker_nodes
    nodes.remove_node(gone, allow_graceful=False)
    said("going on from the last checkpoint")
    since = time.monotonic()
    sentence = said("still waiting")
    assert time.monotonic() - since < 30
    assert sentence.startswith("still waiting for 2 workers with 2 CPU each to start; ")
    nodes.add_node(num_cpus=2, object_store_memory=100 << 20)
    said("going on at step")
    process.terminate()
    rest, _ = process.communicate()
    assert process.returncode == 143, rest
