"""Runs whose storage and data lie in an object store that goes away and comes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.train import main
from tests.cluster.object_store import ObjectStore, started_store
from tests.cluster.test_train import ROOT, TINY, metrics_of
from tests.data.sequence_files import write_root

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]

AWAY_S = 25
"""Longer than any read is tried again."""


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with started_store() as found:
        yield found


def test_a_run_whose_store_goes_away_ends_with_the_same_numbers(
    store: ObjectStore, local_cluster: str, tmp_path: Path
) -> None:
    data = write_root(tmp_path / "data", train=6, val=2)
    words = ["demo", *TINY, "checkpoint.every_steps=3"]
    assert main([*words, f"data.root={data}", f"storage={tmp_path}", "name=near"]) == 0
    process = started(
        words, store.upload(data, "data"), store.uri("runs"), local_cluster, tmp_path / "told"
    )
    store.wait_for("runs/far/metrics.jsonl", process)
    with store.door.shut():
        time.sleep(AWAY_S)
    status, told = process.wait(timeout=600), (tmp_path / "told").read_text()
    assert status == 0, told
    assert store.door.turned_away > 0
    assert "the storage did not answer" in told
    assert "secret" not in told
    assert numbers(store.read("runs/far/metrics.jsonl")) == metrics_of(tmp_path / "near")


def started(
    words: list[str], data: str, storage: str, address: str, told: Path
) -> subprocess.Popen[str]:
    script = [sys.executable, str(ROOT / "cluster" / "train.py"), *words]
    return subprocess.Popen(
        [*script, f"data.root={data}", f"storage={storage}", "name=far"],
        env={**os.environ, "RAY_ADDRESS": address},
        stdout=told.open("w"),
        stderr=subprocess.STDOUT,
        text=True,
    )


def numbers(lines: bytes) -> list[dict[str, Any]]:
    """As `metrics_of`."""
    found = [json.loads(line) for line in lines.decode().splitlines()]
    timings = ("seconds", "fps", "speed_got10k")
    return [{k: v for k, v in line.items() if k not in timings} for line in found]
