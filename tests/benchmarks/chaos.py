"""A run while everything around it breaks: `python tests/benchmarks/chaos.py --faults 20`.

A Ray cluster of a head and two nodes on this machine trains the same small tracker twice by two
workers whose clips are made in Ray tasks: once undisturbed, once while at random moments a training
worker, a Ray Data worker or the command is killed with SIGKILL, or a node is taken away and another
one added. A killed command is given again with resume=true. Both runs record the sample numbers of
every step (`diagnostics.record_samples`). Printed for each fault: what broke, and the seconds until
a step was trained that had not been before; at the end, how many steps were trained again after
each. The status is 1 if samples or weights differ from the undisturbed run, or too much was lost.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import cluster.settings  # noqa: F401 - before Ray

# isort: split
import psutil
import torch
from ray.cluster_utils import Cluster

from mtl.models.model_file import load_model
from tests.processes import workers_of
from tests.records import last_step, lost, records

WORKERS = 2
WORDS = [
    "demo", "data.synthetic.train_sequences=10", "data.synthetic.val_sequences=4",
    "data.synthetic.frames=20", "data.synthetic.width=128", "data.synthetic.height=96",
    "training.batch_size=8", "training.val_samples=16", "training.num_threads=1",
    "stages.head.epochs=0", "stages.full.epochs=1", "evaluation.max_sequences=2",
    f"cluster.workers={WORKERS}", "cluster.decode_in_tasks=true", "cluster.max_failures=1000",
    "diagnostics.record_samples=true",
]  # fmt: skip
NODE: dict[str, Any] = {"num_cpus": 3, "object_store_memory": 100 << 20}
PATIENCE_S = 600
"""Seconds without a new step after which the run counts as hanging."""


class Fault(NamedTuple):
    """What was broken, and what became of it."""

    kind: str
    step: int
    """Last step that had been trained, counted from 0."""
    seconds: float
    """Until a step was trained that had not been before."""


class Victim:
    """The run that is disturbed, with its cluster."""

    def __init__(self, nodes: Cluster, storage: Path, words: list[str]) -> None:
        self.nodes = nodes
        self.folder = storage / "disturbed"
        self._words = [*words, f"storage={storage}", "name=disturbed"]
        self.process = start(self._words, nodes)

    def kill_worker(self) -> None:
        """SIGKILL to one of the processes that train."""
        self._kill("ray::RayTrainWorker")

    def kill_data(self) -> None:
        """SIGKILL to a process that makes clips."""
        self._kill("ray::Map")

    def take_node(self) -> None:
        """A whole raylet with all its processes goes, one that trains; a fresh node comes."""
        while not (nodes := self._nodes_that_train()):
            time.sleep(0.05)
        node = random.choice(nodes)
        self.nodes.remove_node(node, allow_graceful=False)
        self.nodes.add_node(**NODE)

    def _nodes_that_train(self) -> list[Any]:
        raylets = set()
        for process in self._found("ray::RayTrainWorker"):
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile
                raylets.add(process.ppid())
        nodes = sorted(self.nodes.worker_nodes, key=lambda node: node.node_id)
        return [x for x in nodes if x.all_processes["raylet"][0].process.pid in raylets]

    def kill_command(self) -> None:
        """SIGKILL to the command, which is given again."""
        self.process.kill()
        self.process.wait()
        self.process = start([*self._words, "resume=true"], self.nodes)

    def _kill(self, title: str) -> None:
        random.choice(self._found(title)).kill()

    def _found(self, title: str) -> list[psutil.Process]:
        """Processes of that title, at least one."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if found := workers_of(self.nodes.address, title):
                return found
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"no process is called {title}")
            time.sleep(0.05)


def start(words: list[str], nodes: Cluster) -> subprocess.Popen[bytes]:
    """The command, on the cluster."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "cluster" / "train.py"), *words],
        env={**os.environ, "RAY_ADDRESS": nodes.address, "RAY_AUTH_MODE": "disabled"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def disturb(victim: Victim, faults: int, steps: int, rng: random.Random) -> list[Fault]:
    """Break things, one after another, each once the run trains again."""
    ways: dict[str, Callable[[], None]] = {
        "training worker": victim.kill_worker,
        "Ray Data worker": victim.kill_data,
        "node": victim.take_node,
        "command": victim.kill_command,
    }
    kinds = [list(ways)[number % len(ways)] for number in range(faults)]
    rng.shuffle(kinds)
    found = []
    for number, kind in enumerate(kinds):
        # Spread over the run, at a moment inside a step that nobody chose.
        after = (number + 1) * steps // (faults + 1)
        wait_for(victim, lambda after=after: last_step(victim.folder) >= after)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 1))
        before, start_s = last_step(victim.folder), time.monotonic()
        ways[kind]()
        wait_for(victim, lambda before=before: last_step(victim.folder) > before)  # type: ignore[misc]
        found.append(Fault(kind, before, time.monotonic() - start_s))
        print(f"{kind} at step {before}: {found[-1].seconds:.1f} s to the next new one", flush=True)
    return found


def wait_for(victim: Victim, condition: Callable[[], bool]) -> None:
    """Look until it holds, or the run has ended or hangs."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if victim.process.poll() is not None:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"no new step for {PATIENCE_S} s")
        time.sleep(0.1)


def differences(straight: Path, disturbed: Path) -> Iterator[str]:
    """What is not as it should be after all."""
    for rank, (whole, broken) in enumerate(zip(records(straight), records(disturbed), strict=True)):
        if dict(whole) != dict(broken):
            yield f"worker {rank} was trained on other samples"
        print(f"worker {rank}: {len(whole)} steps, {sum(lost(broken))} of them once more")
    weights = [load_model(folder / "model.safetensors")[0] for folder in (straight, disturbed)]
    unequal = [name for name in weights[0] if not torch.equal(weights[0][name], weights[1][name])]
    if unequal:
        most = max(float((weights[0][n] - weights[1][n]).abs().max()) for n in unequal)
        yield f"{len(unequal)} of {len(weights[0])} weights differ, by {most:.2g} at most"


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if nothing was lost but time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--every", type=int, default=10, help="steps between two checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    random.seed(options.seed)
    words = [*WORDS, f"training.samples_per_epoch={8 * options.steps}"]
    words.append(f"checkpoint.every_steps={options.every}")
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    with tempfile.TemporaryDirectory(prefix="mtl-chaos-") as scratch:
        storage = Path(scratch)
        try:
            for _ in range(WORKERS):
                nodes.add_node(**NODE)
            start_s = time.monotonic()
            straight = start([*words, f"storage={storage}", "name=straight"], nodes)
            if straight.wait():
                raise RuntimeError("the undisturbed run failed")
            undisturbed_s = time.monotonic() - start_s
            victim = Victim(nodes, storage, words)
            faults = disturb(victim, options.faults, options.steps, random.Random(options.seed))
            status = victim.process.wait()
            disturbed_s = time.monotonic() - start_s - undisturbed_s
        finally:
            nodes.shutdown()
        wrong = list(differences(storage / "straight", victim.folder))
        again = [steps for record in records(victim.folder)[:1] for steps in lost(record)]
    if status:
        wrong.append(f"the run ended with status {status}")
    if max(again, default=0) > options.every:
        wrong.append(f"{max(again)} steps were lost at once, more than between two checkpoints")
    for kind, seconds in by_kind(faults).items():
        print(f"{kind}: {len(seconds)} times, {min(seconds):.1f} to {max(seconds):.1f} s")
    print(f"undisturbed {undisturbed_s:.0f} s, disturbed {disturbed_s:.0f} s")
    print(f"{len(faults)} faults; steps trained again after each interruption: {again}")
    for sentence in wrong:
        print(f"wrong: {sentence}")
    print("the same samples and weights as undisturbed" if not wrong else "not the same run")
    return int(bool(wrong))


def by_kind(faults: list[Fault]) -> dict[str, list[float]]:
    """Seconds of recovery."""
    found: dict[str, Any] = {}
    for fault in faults:
        found.setdefault(fault.kind, []).append(fault.seconds)
    return found


if __name__ == "__main__":
    sys.exit(main())
