"""What a run that cannot start is waiting for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray

from cluster.lasting import keep_lasting_actors_here
from mtl.config.run import RunConfig
from mtl.config.training import ClusterConfig
from mtl.errors import ResourceError

LOOK_S = 2.0
"""Seconds between two looks at what the cluster has."""
HOLD_S = 180.0
"""So long nodes are asked for after the last look: a command that was killed asks no longer."""


def missing_room(cluster: ClusterConfig) -> str:
    """What the workers need beside what the cluster has free at this moment."""
    return room_sentence(cluster, ray.available_resources(), ray.cluster_resources())


@contextmanager
def room_for(
    config: RunConfig, check: Callable[[], None], tell: Callable[[str], None]
) -> Iterator[None]:
    """Wait for what a run needs, as long as `cluster.wait_minutes`, after asking for nodes.

    They are asked for until the context ends: an idle node would go again before the run begins.

    Args:
        config: of the run, its GPUs decided.
        check: raises ResourceError as long as there is too little.
        tell: takes a sentence for the person at the terminal.

    Raises:
        ResourceError: there still was too little at the end.
    """
    cluster = config.cluster
    deadline = time.monotonic() + 60 * cluster.wait_minutes
    asked = False
    try:
        while error := _refusal(check):
            if time.monotonic() >= deadline:
                raise error
            if not asked:
                tell(f"waiting up to {cluster.wait_minutes:g} min for nodes: {error}")
                keep_lasting_actors_here()
                asked = True
            _coordinator().request_resources.remote(_requester(), bundles(cluster), HOLD_S)
            time.sleep(LOOK_S)
        yield
    finally:
        if asked:  # Ray Train asks from here on; both together would be twice as many
            _coordinator().cancel_request.remote(_requester())


def _coordinator() -> Any:
    """The actor through which all of Ray asks the autoscaler.

    It sends what everybody wants, again and again, so a request past it is soon forgotten.
    """
    return ray.get_actor("AutoscalingCoordinator", namespace="AutoscalingCoordinator")


def _requester() -> str:
    return f"mtl-{ray.get_runtime_context().get_job_id()}"


def _refusal(check: Callable[[], None]) -> ResourceError | None:
    try:
        check()
    except ResourceError as error:
        return error
    return None


def bundles(cluster: ClusterConfig) -> list[dict[str, float]]:
    """What each worker needs, and a CPU for Ray Data."""
    return [*[_of_worker(cluster)] * cluster.fewest, {"CPU": 1.0}]


def _of_worker(cluster: ClusterConfig) -> dict[str, float]:
    """What one worker needs, by resource."""
    each = {"CPU": float(cluster.cpus_per_worker), "GPU": cluster.gpus_per_worker or 0.0}
    return {name: amount for name, amount in each.items() if amount}


def room_sentence(
    cluster: ClusterConfig, free: Mapping[str, float], have: Mapping[str, float]
) -> str:
    """One sentence with the arithmetic.

    Args:
        cluster: what a run asks for.
        free: resources that nobody uses, by name.
        have: all of them.
    """
    count, each = cluster.fewest, _of_worker(cluster)
    wanted = " and ".join(f"{amount:g} {name}" for name, amount in each.items())
    left = ", ".join(f"{free.get(name, 0.0):g} of {have.get(name, 0.0):g} {name}" for name in each)
    workers = "worker" if count == 1 else "workers"
    return f"still waiting for {count} {workers} with {wanted} each to start; {left} are free."
