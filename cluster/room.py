"""What a run that cannot start is waiting for."""

from __future__ import annotations

from collections.abc import Mapping

import ray

from mtl.config.training import ClusterConfig


def missing_room(cluster: ClusterConfig) -> str:
    """What the workers need beside what the cluster has free at this moment."""
    return room_sentence(cluster, ray.available_resources(), ray.cluster_resources())


def room_sentence(
    cluster: ClusterConfig, free: Mapping[str, float], have: Mapping[str, float]
) -> str:
    """One sentence with the arithmetic.

    Args:
        cluster: what a run asks for.
        free: resources that nobody uses, by name.
        have: all of them.
    """
    count = cluster.fewest
    each = {"CPU": float(cluster.cpus_per_worker), "GPU": cluster.gpus_per_worker or 0.0}
    wanted = " and ".join(f"{amount:g} {name}" for name, amount in each.items() if amount)
    left = ", ".join(
        f"{free.get(name, 0.0):g} of {have.get(name, 0.0):g} {name}"
        for name, amount in each.items()
        if amount
    )
    workers = "worker" if count == 1 else "workers"
    return f"still waiting for {count} {workers} with {wanted} each to start; {left} are free."
