from __future__ import annotations

import pytest

from cluster.capacity import nodes_in_words, of_worker, runs_that_fit, workers_that_fit
from mtl.config.training import ClusterConfig


@pytest.mark.parametrize(
    ("nodes", "each", "fits"),
    [
        ([{"CPU": 8, "GPU": 1}, {"CPU": 16}], {"CPU": 12, "GPU": 1}, 0),
        ([{"CPU": 8, "GPU": 1}, {"CPU": 16}], {"CPU": 8, "GPU": 1}, 1),
        ([{"CPU": 7}, {"CPU": 7}], {"CPU": 3}, 4),
        ([{"CPU": 8, "GPU": 2}], {"CPU": 1, "GPU": 0.6}, 2),  # 1.2 GPUs would hold two, not three
        ([{"CPU": 8, "GPU": 3}], {"CPU": 1, "GPU": 0.3}, 8),
        ([{"CPU": 8, "GPU": 0.9}], {"CPU": 1, "GPU": 0.3}, 3),
        ([{"CPU": -1}], {"CPU": 1}, 0),
        ([{"memory": 1e9}, {}], {"CPU": 1}, 0),
        ([], {"CPU": 1}, 0),
    ],
)
def test_a_worker_lies_on_one_node_and_a_share_on_one_gpu(
    nodes: list[dict[str, float]], each: dict[str, float], fits: int
) -> None:
    assert workers_that_fit(nodes, each) == fits


def test_a_worker_needs_no_gpu_where_none_is_asked_for() -> None:
    assert of_worker(ClusterConfig(cpus_per_worker=3)) == {"CPU": 3.0}


def test_equal_nodes_are_told_once() -> None:
    nodes = [{"CPU": 8, "GPU": 1}, {"CPU": 8, "GPU": 1, "memory": 2}, {"CPU": 16}, {}]
    words = nodes_in_words(nodes, ["CPU", "GPU"])
    assert words == "2 with 8 CPU and 1 GPU, 1 with 16 CPU, 1 with nothing"


@pytest.mark.parametrize(
    ("nodes", "cluster", "runs"),
    [
        ([{"CPU": 8}], {"cpus_per_worker": 2}, 3),  # one CPU is left for Ray Data
        ([{"CPU": 9}], {"cpus_per_worker": 2}, 4),
        ([{"CPU": 5}, {"CPU": 5}], {"cpus_per_worker": 3}, 2),  # ten CPUs, but not three times
        ([{"CPU": 9}, {"CPU": 9}], {"workers": 2, "cpus_per_worker": 2}, 4),
        ([{"CPU": 64, "GPU": 2}, {"CPU": 64}], {"gpus_per_worker": 1}, 2),
        ([{"CPU": 1}], {}, 1),
    ],
)
def test_runs_beside_each_other_lie_on_nodes_too(
    nodes: list[dict[str, float]], cluster: dict[str, int], runs: int
) -> None:
    assert runs_that_fit(nodes, ClusterConfig(**cluster)) == runs
