"""The arithmetic of large clusters, at sizes that can be followed by hand."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.scaling import Machines, Work, demand

WORK = Work(
    batch_size=64, flops_per_sample=1e12, files_per_sample=8, bytes_per_sample=1e6, decode_s=0.05,
    gradient_bytes=4e8, checkpoint_bytes=2e9, checkpoint_s=600,
)  # fmt: skip
MACHINES = Machines(
    gpus=8, flops=1e14, cores=12, network=1e9, requests=5500, lost_per_hour=0.01, restart_s=60
)


def test_one_gpu_exchanges_nothing() -> None:
    found = demand(WORK, MACHINES, 1)
    assert (found.samples, found.step_s, found.exchanged) == (100, 0.64, 0)
    assert (found.decode_cores, found.requests, found.read) == (5, 800, 1e8)
    assert found.shares["cores"] == pytest.approx(5 / 11)
    assert found.shares["network"] == pytest.approx(0.1)
    assert found.goodput == pytest.approx(1 / (1 + 0.01 / 3600 * 360))


def test_nodes_exchange_twice_the_gradients_and_store_answers_for_all() -> None:
    found = demand(WORK, MACHINES, 64)
    assert found.samples == 6400
    assert found.exchanged == pytest.approx(2 * 7 / 8 * 4e8 / 0.01)
    assert found.shares["requests"] == pytest.approx(51200 / 5500)
    assert found.shares["network"] == pytest.approx((6400e6 / 8 + 7e10) / 8e9)
    assert found.breaks_first == "requests"


def test_more_gpus_than_samples_bring_nothing() -> None:
    most, more = demand(WORK, MACHINES, 64), demand(WORK, MACHINES, 512)
    assert more.samples == most.samples
    assert more.shares["batch"] == 8
    assert more.goodput < most.goodput
    larger = demand(replace(WORK, batch_size=512), MACHINES, 512)
    assert larger.samples == 8 * most.samples


def test_no_gpu_is_no_cluster() -> None:
    with pytest.raises(ValueError, match="gpus must be at least 1, got 0"):
        demand(WORK, MACHINES, 0)


def test_the_page_says_from_how_many_gpus_on_a_prefix_is_too_slow() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "scaling.md").read_text()
    found = re.search(r"from (\d+) GPUs on \((\d+) / (\d+)\)", page)
    row = re.search(r"^\| 1 \|(?:[^|]*\|){3} (\d+) \(", page, re.MULTILINE)
    assert found
    assert row
    gpus, answered, asked = map(int, found.groups())
    assert (answered, asked) == (MACHINES.requests, int(row[1]))
    assert gpus == math.ceil(answered / asked)
