"""How many workers the nodes of a cluster hold: arithmetic, node by node.

A worker lies on one node, so what the nodes have together says too little: one with all the GPUs
and one with all the CPUs hold none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mtl.config.training import ClusterConfig

Resources = Mapping[str, float]
"""Amounts by name, of a node or a worker."""
ROUNDING = 1e-9
"""0.3 goes three times into 0.9, whatever floating-point numbers say."""


def of_worker(cluster: ClusterConfig) -> dict[str, float]:
    """What one worker needs."""
    each = {"CPU": float(cluster.cpus_per_worker), "GPU": cluster.gpus_per_worker or 0.0}
    return {name: amount for name, amount in each.items() if amount}


def workers_that_fit(nodes: Sequence[Resources], each: Resources) -> int:
    """How many workers the nodes hold.

    Args:
        nodes: what each node has, or has free.
        each: what a worker needs, more than nothing of something.
    """
    return sum(
        max(0, min(_times(name, node.get(name, 0.0), amount) for name, amount in each.items()))
        for node in nodes
    )


def runs_that_fit(nodes: Sequence[Resources], cluster: ClusterConfig) -> int:
    """How many runs fit beside each other, one CPU left for Ray Data; at least one.

    Args:
        nodes: what each node has.
        cluster: what each of the runs takes, its GPUs decided.
    """
    workers = workers_that_fit(nodes, of_worker(cluster))
    beside_data = int((total(nodes, "CPU") - 1 + ROUNDING) // cluster.cpus_per_worker)
    return max(1, min(workers, beside_data) // cluster.most)


def _times(name: str, have: float, amount: float) -> int:
    """How often an amount is there; shares of a GPU lie on one GPU each."""
    if name == "GPU" and amount < 1:
        whole = int(have + ROUNDING)
        return whole * int((1 + ROUNDING) // amount) + int((have - whole + ROUNDING) // amount)
    return int((have + ROUNDING) // amount)


def total(nodes: Sequence[Resources], name: str) -> float:
    """What the nodes have of a resource together."""
    return sum(node.get(name, 0.0) for node in nodes)


def amounts(resources: Resources, names: Sequence[str]) -> str:
    """These resources in words, such as `4 CPU and 1 GPU`; what there is none of is left out."""
    return " and ".join(f"{resources[x]:g} {x}" for x in names if resources.get(x)) or "nothing"


def nodes_in_words(nodes: Sequence[Resources], names: Sequence[str]) -> str:
    """What each node has of these resources, the same of several nodes once."""
    counts = Counter(amounts(node, names) for node in nodes)
    return ", ".join(f"{count} with {text}" for text, count in counts.items()) or "none"
