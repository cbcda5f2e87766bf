"""What a training asks of a cluster, by arithmetic, and what is used up first.

Pure formulas over measured sizes (`tests/benchmarks/scaling.py` measures and prints them). Every
share is of what the machines have: 1 is used up, and the largest share is what breaks first.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """What a training does, independent of where."""

    batch_size: int
    """Samples of an optimiser step, over all processes together."""
    flops_per_sample: float
    """Floating-point operations of forward and backward pass."""
    files_per_sample: float
    """Pictures read for a sample, each one request to an object store."""
    bytes_per_sample: float
    """Their encoded size together."""
    decode_s: float
    """Seconds of one processor core that reading and preparing a sample takes."""
    gradient_bytes: float
    """Size of all gradients, which every step averages."""
    checkpoint_bytes: float
    """Size of a checkpoint."""
    checkpoint_s: float
    """Seconds of training between two checkpoints."""


@dataclass(frozen=True)
class Machines:
    """What a node of the cluster has, and how long it stays."""

    gpus: int
    """GPUs of a node; a cluster of fewer has one smaller node."""
    flops: float
    """Floating-point operations a second that a GPU sustains in training."""
    cores: int
    """Processor cores of a node for each GPU; one of them drives the GPU."""
    network: float
    """Bytes a second in and out of a node, for each GPU."""
    requests: float
    """Requests a second that the object store answers for one prefix."""
    lost_per_hour: float
    """Share of the nodes that is taken away in an hour."""
    restart_s: float
    """Seconds from a loss until the next step is trained."""


@dataclass(frozen=True)
class Demand:
    """What a number of GPUs needs at full speed."""

    gpus: int
    """How many."""
    samples: float
    """Samples a second."""
    step_s: float
    """Seconds of a step."""
    decode_cores: float
    """Cores that prepare samples."""
    requests: float
    """Pictures read a second."""
    read: float
    """Bytes a second of pictures."""
    exchanged: float
    """Bytes a second in and out of each node to average gradients."""
    checkpoints: float
    """Bytes a second of checkpoints, on average."""
    shares: dict[str, float]
    """Of what there is, by its name."""
    goodput: float
    """Share of the time that brings training forward, losses of nodes considered."""

    @property
    def breaks_first(self) -> str:
        """The largest share."""
        return max(self.shares, key=lambda name: self.shares[name])


def demand(work: Work, machines: Machines, gpus: int) -> Demand:
    """What `gpus` GPUs need.

    A ring over n nodes sends 2 (n - 1) / n times the gradients in and out of each. A lost node
    costs half the time between two checkpoints and a restart, for all (Young, CACM 1974).

    Raises:
        ValueError: `gpus` is not positive.
    """
    if gpus < 1:
        raise ValueError(f"gpus must be at least 1, got {gpus}; give a positive number")
    nodes = -(-gpus // machines.gpus)
    busy = min(gpus, work.batch_size)  # a GPU without a sample of the batch has nothing to do
    samples = busy * machines.flops / work.flops_per_sample
    step_s = work.batch_size / samples
    exchanged = 2 * (nodes - 1) / nodes * work.gradient_bytes / step_s
    read = samples * work.bytes_per_sample
    checkpoints = work.checkpoint_bytes / work.checkpoint_s
    losses_per_s = nodes * machines.lost_per_hour / 3600
    lost = losses_per_s * (work.checkpoint_s / 2 + machines.restart_s)
    node_network = machines.network * min(gpus, machines.gpus)
    return Demand(
        gpus=gpus,
        samples=samples,
        step_s=step_s,
        decode_cores=samples * work.decode_s,
        requests=samples * work.files_per_sample,
        read=read,
        exchanged=exchanged,
        checkpoints=checkpoints,
        shares={
            "batch": gpus / work.batch_size,
            "cores": samples * work.decode_s / (gpus * (machines.cores - 1)),
            "requests": samples * work.files_per_sample / machines.requests,
            "network": (read / nodes + exchanged) / node_network,
            "checkpoints": work.checkpoint_bytes / machines.network / work.checkpoint_s,
            "losses": lost,
        },
        goodput=1 / (1 + lost),
    )
