"""How many trials run at a time and what each gets: arithmetic, before the first one starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.capacity import Resources, of_worker, total, workers_that_fit
from mtl.config.training import ClusterConfig
from mtl.errors import ResourceError
from mtl.families.footprint import DiskNeed

GIB = 1 << 30
DRIVER_CPUS = 0.01
"""Of a trial whose workers reserve their own: a process that holds a CPU could keep them out."""


@dataclass(frozen=True)
class Placement:
    """What was found."""

    concurrent: int
    """Trials at a time."""
    workers: int
    """Training processes of a trial."""
    trial_cpus: float
    """CPUs that Tune reserves for a trial's own process."""
    trial_gpus: float
    """GPUs that Tune reserves for a trial's own process."""
    max_failures: int
    """Times a trial may lose its process."""
    arithmetic: str
    """How it was found, one line."""


def place_trials(
    nodes: Sequence[Resources], cluster: ClusterConfig, wanted: int | None, trials: int
) -> Placement:
    """Place trials on the nodes of a cluster, one CPU left for Ray Data.

    Args:
        nodes: CPU and GPU of each.
        cluster: what a run asks for, its GPUs decided.
        wanted: trials at a time; none: as many as there is place for.
        trials: of the search.

    Raises:
        ResourceError: not one fits, or not as many as are wanted; gives the arithmetic.
    """
    cpus, gpus = float(cluster.cpus_per_worker), cluster.gpus_per_worker or 0.0
    free = [dict(node) for node in nodes]
    largest = max(free, key=lambda node: node.get("CPU", 0.0))
    largest["CPU"] = largest.get("CPU", 0.0) - 1.0
    slots = workers_that_fit(free, of_worker(cluster))
    concurrent = slots // cluster.most
    have = f"{total(nodes, 'CPU'):g} CPU"
    need = f"{cluster.most} x {cpus:g} CPU"
    if gpus:
        have += f" and {total(nodes, 'GPU'):g} GPU"
        need += f" and {cluster.most} x {gpus:g} GPU"
    told = (
        f"a trial needs {need}; {len(nodes)} node{'s' * (len(nodes) > 1)} with {have}, 1 CPU left "
        f"for Ray Data, hold {slots} worker{'s' * (slots != 1)}"
    )
    if not concurrent:
        raise ResourceError(
            f"no trial can be placed: {told}; lower run.cluster.workers, cpus_per_worker or "
            "gpus_per_worker, or add nodes."
        )
    if wanted and wanted > concurrent:
        raise ResourceError(
            f"concurrent_trials={wanted} cannot be placed: {told}, so {concurrent} at a time; "
            "lower concurrent_trials, or what a trial asks for."
        )
    concurrent = min(wanted or concurrent, trials)
    alone = cluster.most == 1
    return Placement(
        concurrent,
        cluster.most,
        cpus if alone else DRIVER_CPUS,
        gpus if alone else 0.0,
        cluster.max_failures,
        f"{told}: {concurrent} at a time",
    )


def check_disk(free: int, need: DiskNeed) -> str:
    """Refuse a search whose checkpoints and weights do not fit; returns the arithmetic.

    Args:
        free: bytes on the disk of the search folder.
        need: of all runs of trials and with other seeds, each of which leaves its best weights;
            checkpoints of those that ended are dropped.

    Raises:
        ResourceError: with the arithmetic.
    """
    told = f"{need.arithmetic} are {need.needed / GIB:.2f} GiB, {free / GIB:.1f} GiB are free"
    if need.needed > free:
        raise ResourceError(
            f"the search needs more disk than there is: {told}; lower trials, concurrent_trials "
            "or run.checkpoint.keep, or set storage= to another disk."
        )
    return told


def check_object_store(have: float, batch_bytes: int, prefetch: int, workers: int) -> str:
    """Refuse batches that the object store cannot hold; returns the arithmetic.

    Args:
        have: bytes of the cluster's object store.
        batch_bytes: of a worker's micro-batch that crosses processes; 0: none does.
        prefetch: micro-batches made ahead.
        workers: of all trials at a time.

    Raises:
        ResourceError: with the arithmetic.
    """
    needed = workers * (prefetch + 2) * batch_bytes
    told = (
        f"{workers} workers x {prefetch + 2} micro-batches of {batch_bytes / GIB:.3f} GiB are "
        f"{needed / GIB:.2f} GiB, the object store has {have / GIB:.2f} GiB"
    )
    if needed > have:
        raise ResourceError(
            f"batches do not fit the object store: {told}; lower concurrent_trials or "
            "run.cluster.prefetch_batches, or set run.cluster.decode_in_tasks=false."
        )
    return told
