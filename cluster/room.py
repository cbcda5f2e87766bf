"""What a run that cannot start is waiting for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray._private.state import actors

from cluster.capacity import Resources, amounts, nodes_in_words, of_worker, total, workers_that_fit
from cluster.lasting import keep_lasting_actors_here
from cluster.nodes import free_resources, node_resources
from mtl.config.run import RunConfig
from mtl.config.training import ClusterConfig
from mtl.errors import ResourceError

TRAINING_WORKER = "RayTrainWorker"
"""What Ray Train calls the class of its workers."""
LOOK_S = 2.0
"""Seconds between two looks at what the cluster has."""
HOLD_S = 180.0
"""So long nodes are asked for after the last look: a command that was killed asks no longer."""


def missing_room(cluster: ClusterConfig, actor: str = TRAINING_WORKER) -> str:
    """What the workers of this command need beside what the cluster has free.

    Empty where one of them has its place, and may still be starting, or where there is room.

    Args:
        cluster: what is asked for.
        actor: name of the workers' class.
    """
    free = free_resources()
    if workers_that_fit(free, of_worker(cluster)) >= cluster.fewest or _placed(actor):
        return ""
    return room_sentence(cluster, free, node_resources())


def _placed(actor: str) -> bool:
    """Whether an actor of this class that this command started has a place on a node."""
    job = ray.JobID(bytes.fromhex(ray.get_runtime_context().get_job_id()))
    return any(
        one["ActorClassName"] == actor
        and one["State"] != "DEAD"
        and one["Address"]["IPAddress"]  # none as long as no node has taken it
        for one in actors(job_id=job).values()
    )


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
    return [*[of_worker(cluster)] * cluster.fewest, {"CPU": 1.0}]


def room_sentence(
    cluster: ClusterConfig, free: Sequence[Resources], have: Sequence[Resources]
) -> str:
    """One sentence with the arithmetic.

    Args:
        cluster: what a run asks for.
        free: what each node has that nobody uses.
        have: all that each has.
    """
    count, each = cluster.fewest, of_worker(cluster)
    left = ", ".join(f"{total(free, name):g} of {total(have, name):g} {name}" for name in each)
    fits, apart = workers_that_fit(free, each), ""
    if fits < count and all(total(free, name) >= count * each[name] for name in each):
        apart = f", but node by node ({nodes_in_words(free, list(each))}) there is room for {fits}"
    workers = "worker" if count == 1 else "workers"
    return (
        f"still waiting for {count} {workers} with {amounts(each, list(each))} each to start; "
        f"{left} are free{apart}."
    )
