"""A run that has fewer workers when a node goes away, and more when one comes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.cluster_utils import Cluster

from tests.cluster.test_train import metrics_of, wait_for
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
