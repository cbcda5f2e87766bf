from __future__ import annotations

import io
import time
from typing import Any

import pytest
import ray
from rich.console import Console

from cluster.progress import Display, new_board
from cluster.room import bundles, missing_room, room_for, room_sentence
from mtl.config.load import load
from mtl.config.training import ClusterConfig
from mtl.errors import ResourceError


@pytest.mark.parametrize(
    ("cluster", "sentence"),
    [
        (
            ClusterConfig(workers=2, cpus_per_worker=4, gpus_per_worker=1.0),
            "still waiting for 2 workers with 4 CPU and 1 GPU each to start; "
            "3 of 16 CPU, 0 of 2 GPU are free.",
        ),
        (
            ClusterConfig(workers=(1, 4), cpus_per_worker=2),
            "still waiting for 1 worker with 2 CPU each to start; 3 of 16 CPU are free.",
        ),
    ],
)
def test_the_sentence_has_the_arithmetic(cluster: ClusterConfig, sentence: str) -> None:
    have = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0}]
    assert room_sentence(cluster, [{"CPU": 1.0}, {"CPU": 2.0}], have) == sentence


def test_the_sentence_says_where_no_node_has_room_for_a_worker() -> None:
    cluster = ClusterConfig(cpus_per_worker=12, gpus_per_worker=1.0)
    nodes = [{"CPU": 8.0, "GPU": 1.0}, {"CPU": 16.0}]
    assert room_sentence(cluster, nodes, nodes) == (
        "still waiting for 1 worker with 12 CPU and 1 GPU each to start; 24 of 24 CPU, 1 of 1 GPU "
        "are free, but node by node (1 with 8 CPU and 1 GPU, 1 with 16 CPU) there is room for 0."
    )


@pytest.mark.ray
def test_a_run_says_once_why_it_does_not_start(
    local_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Display, "WAIT_S", 1.0)
    said = io.StringIO()
    with Display(Console(file=said, width=200), new_board(), lambda: "no room"):
        end = time.monotonic() + 60
        while "no room" not in said.getvalue() and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(2)
    assert said.getvalue().count("no room") == 1


@pytest.mark.ray
def test_a_run_that_says_nothing_any_more_is_asked_why_again(
    local_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Display, "WAIT_S", 1.0)
    said, board = io.StringIO(), new_board()
    with Display(Console(file=said, width=200), board, lambda: "no room"):
        for times in (1, 2):
            ray.get(board.post.remote({"label": "", "begun": True}))
            end = time.monotonic() + 60
            while said.getvalue().count("no room") < times and time.monotonic() < end:
                time.sleep(0.1)
            time.sleep(1)
    assert said.getvalue().count("no room") == 2


@ray.remote
class _Worker:
    def ready(self) -> None:
        pass


@pytest.mark.ray
def test_workers_that_have_their_place_are_not_waited_for(local_cluster: str) -> None:
    every_cpu = ClusterConfig(cpus_per_worker=8)
    assert missing_room(every_cpu, "_Worker") == ""  # there is room
    first: Any = _Worker.options(num_cpus=8).remote()  # type: ignore[attr-defined]
    ray.get(first.ready.remote())
    assert missing_room(every_cpu, "_Worker") == ""  # it has its place
    sentence = "still waiting for 1 worker with 8 CPU each to start; 0 of 8 CPU are free."
    assert missing_room(every_cpu, "AnotherWorker") == sentence
    second: Any = _Holder.remote()  # type: ignore[attr-defined]
    ray.kill(first)
    ray.get(second.ready.remote())
    assert missing_room(every_cpu, "_Worker") == sentence  # it lost its place to another
    ray.kill(second)


@ray.remote(num_cpus=8)
class _Holder:
    def ready(self) -> None:
        pass


def test_what_is_asked_for_is_each_worker_and_a_cpu_for_the_data() -> None:
    cluster = ClusterConfig(workers=(2, 4), cpus_per_worker=3, gpus_per_worker=1.0)
    assert bundles(cluster) == [{"CPU": 3.0, "GPU": 1.0}] * 2 + [{"CPU": 1.0}]


@pytest.mark.ray
def test_what_does_not_come_is_refused_after_the_wait(
    local_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.room.LOOK_S", 0.1)
    said: list[str] = []

    def check() -> None:
        raise ResourceError("2 workers need 4 CPU, the cluster has 1.")

    config = load("demo", ["cluster.wait_minutes=0.02"])
    with (
        pytest.raises(ResourceError, match="2 workers need 4 CPU"),
        room_for(config, check, said.append),
    ):
        pytest.fail("there is no room")
    assert said == ["waiting up to 0.02 min for nodes: 2 workers need 4 CPU, the cluster has 1."]
    with room_for(config, lambda: None, said.append):
        pass
    assert len(said) == 1
