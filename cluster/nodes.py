"""Checks that every node of the cluster makes before a worker starts.

A worker may be placed on any node, and data, storage and packages that only the driver has are
found out otherwise by the worker that fails, minutes later. A node's checks are one Ray task that
takes no CPU, pinned to it, so that also a node where no worker will run is asked. Nodes that an
autoscaler adds later are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pyarrow
import ray
from ray._private.state import available_resources_per_node
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.capacity import Resources
from mtl.doctor.finding import Check, Finding, Level, errors, examine
from mtl.doctor.storage import Probe, SharedStorage, apart, refused
from mtl.errors import ConfigError, ResourceError

ANSWER_TIMEOUT_S = 60.0
"""A node that first installs its runtime environment is slow; Ray Train waits as long."""
DRIVER = "driver"
"""The file that the driver leaves in the storage."""


SETTLE_S = 20.0
"""So long a node that has just come may be unknown to the one that asks, or one that goes known."""
UNPLACED = Finding(
    "answer",
    Level.ERROR,
    "Ray could not place the checks; look at the node, and take it out of the cluster or restart "
    "it.",
)


class Node(NamedTuple):
    """An alive node of the cluster."""

    id: str
    name: str
    """For people: the address; where several share it, the beginning of the id too."""


def alive_nodes() -> list[Node]:
    """The nodes of the cluster that Ray is connected to."""
    alive = [(one["NodeID"], one["NodeManagerAddress"]) for one in ray.nodes() if one["Alive"]]
    addresses = [address for _, address in alive]
    return [
        Node(id, address if addresses.count(address) == 1 else f"{address} ({id[:8]})")
        for id, address in alive
    ]


def node_resources() -> list[Resources]:
    """What each alive node has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def free_resources() -> list[Resources]:
    """What each alive node has that nobody uses at this moment."""
    return list(available_resources_per_node().values())


def check_nodes(checks: Sequence[Check], timeout_s: float = ANSWER_TIMEOUT_S) -> None:
    """Have every node make these checks.

    Raises:
        ResourceError: a sentence for each thing that was found, with the nodes where it was.
    """
    _require(_answers(alive_nodes(), lambda node: checks, timeout_s))


def check_shared_storage(
    storage: str, checks: Sequence[Check] = (), timeout_s: float = ANSWER_TIMEOUT_S
) -> None:
    """As `check_nodes`, and that all nodes write to the folder that the driver writes to.

    Raises:
        ResourceError: as `check_nodes`.
        ConfigError: the driver cannot write to the storage.
    """
    probe = Probe(storage)
    nodes = alive_nodes()
    try:
        probe.leave(DRIVER)
        try:
            found = _answers(
                nodes, lambda node: [SharedStorage(probe, DRIVER, node.id), *checks], timeout_s
            )
            for node in nodes:
                if node in found and not errors(found[node]) and not probe.sees(node.id):
                    found[node] = [apart(storage)]
        finally:
            probe.remove()
    except (OSError, pyarrow.ArrowException) as error:
        raise ConfigError(refused(storage, error).text) from None
    _require(found)


@ray.remote(num_cpus=0, max_retries=0)
def _examine(checks: Sequence[Check]) -> list[Finding]:
    return examine(checks)


def _answers(
    nodes: Sequence[Node], checks_of: Callable[[Node], Sequence[Check]], timeout_s: float
) -> dict[Node, list[Finding]]:
    """What each node found; of one that does not answer, that it does not.

    Nodes that have just come are asked again, and those that have gone meanwhile are left out.
    """
    found: dict[Node, list[Finding]] = {}
    left, settled = list(nodes), time.monotonic() + SETTLE_S
    while left:
        answers = _ask(left, checks_of, timeout_s)
        found |= answers
        if time.monotonic() > settled:
            break
        left = [node for node in left if answers[node] == [UNPLACED]]
        if left:
            time.sleep(1)
            here = {node.id for node in alive_nodes()}
            found = {node: findings for node, findings in found.items() if node.id in here}
            left = [node for node in left if node.id in here]
    return found


def _ask(
    nodes: Sequence[Node], checks_of: Callable[[Node], Sequence[Check]], timeout_s: float
) -> dict[Node, list[Finding]]:
    """Have each node make its checks, once."""
    asked = {
        _examine.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)
        ).remote(checks_of(node)): node
        for node in nodes
    }
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=timeout_s)
    found = {asked[reference]: _answer(reference) for reference in answered}
    for reference in silent:
        ray.cancel(reference, force=True)
        told = (
            f"the checks were not answered within {timeout_s:g} s; look at the node, and take it "
            "out of the cluster or restart it."
        )
        found[asked[reference]] = [Finding("answer", Level.ERROR, told)]
    return found


def _answer(reference: Any) -> list[Finding]:
    try:
        findings: list[Finding] = ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # the task began: the project is not there
        last = str(error).strip().splitlines()[-1].strip()
        told = (
            f"the checks failed ({last}); install this project on every node, or submit the "
            "command with ray job submit --working-dir ."
        )
        return [Finding("answer", Level.ERROR, told)]
    except (ray.exceptions.TaskUnschedulableError, ray.exceptions.NodeDiedError):
        return [UNPLACED]
    except ray.exceptions.RayError as error:
        told = (
            f"the checks could not run ({type(error).__name__}); look at the node, and take it out "
            "of the cluster or restart it."
        )
        return [Finding("answer", Level.ERROR, told)]
    return findings


def _require(found: dict[Node, list[Finding]]) -> None:
    """Refuse errors, the same ones of several nodes in one sentence."""
    where: dict[str, list[str]] = {}
    for node, findings in found.items():
        for finding in errors(findings):
            where.setdefault(finding.text, []).append(node.name)
    if where:
        raise ResourceError(
            " ".join(
                f"on node{'s' * (len(names) > 1)} {', '.join(names)}: {text}"
                for text, names in where.items()
            )
        )
