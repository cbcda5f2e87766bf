"""What 1, 8, 64 and 512 GPUs need of a cluster: `python tests/benchmarks/scaling.py PRESET ...`.

Measures what a sample of the run costs here (pictures, bytes, time of one core), counts the
operations of a training step (products and convolutions) and the bytes of gradients and of a
checkpoint that is written for it, and puts them into the arithmetic of `cluster.scaling`. What a
GPU sustains, its machine, the object store and the rate of losses are assumptions, given as options
and printed. Further words are key=value of the run; `data.root=ROOT` takes real pictures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from cluster.scaling import Demand, Machines, Work, demand
from mtl.config.load import load
from mtl.data import images
from mtl.data.collate import collate
from mtl.families import family_of
from mtl.training.state import TrainingState
from tests.benchmarks.step_flops import step_flops

GPUS = (1, 8, 64, 512)
COUNTED = 2
"""Samples whose operations are counted."""


def measured(words: list[str], samples: int, checkpoint_s: float) -> Work:
    """What a training of these words does."""
    config = load(words[0], words[1:])
    family = family_of(config)
    indices = family.indices()
    sampler = family.sampler(indices.train, training=True)
    read: list[int] = []
    read_bytes = images.read_bytes

    def counting(uri: str) -> bytes:
        data = read_bytes(uri)
        read.append(len(data))
        return data

    with mock.patch.object(images, "read_bytes", counting):
        start = time.process_time()
        made = [sampler.sample(number) for number in range(samples)]
        decode_s = (time.process_time() - start) / samples
    batch = {name: torch.from_numpy(array) for name, array in collate(made[:COUNTED]).items()}
    task = family.task(indices, torch.device("cpu"))
    model = task.build_model()
    stage = list(config.running_stages.values())[-1]
    task.set_mode(model, stage)
    optimizer = torch.optim.AdamW(task.parameter_groups(model, stage))
    counted = step_flops(task, model, batch)
    optimizer.step()
    gradients = [x.grad for x in model.parameters() if x.grad is not None]
    with tempfile.TemporaryDirectory() as folder:
        state = TrainingState(model=model.state_dict(), optimizer=optimizer.state_dict())
        state.save(Path(folder), config.model_dump(mode="json"))
        checkpoint = sum(file.stat().st_size for file in Path(folder).iterdir())
    return Work(
        batch_size=config.training.batch_size,
        flops_per_sample=counted / COUNTED,
        files_per_sample=len(read) / samples,
        bytes_per_sample=sum(read) / samples,
        decode_s=decode_s,
        gradient_bytes=float(sum(gradient.nbytes for gradient in gradients)),
        checkpoint_bytes=float(checkpoint),
        checkpoint_s=checkpoint_s,
    )


def row(found: Demand) -> str:
    """A line of the table."""
    cells = [
        f"{found.gpus}", f"{found.samples:.0f}", f"{found.step_s:.2f}",
        f"{found.decode_cores:.0f} ({found.shares['cores']:.0%})",
        f"{found.requests:.0f} ({found.shares['requests']:.0%})", f"{found.read / 1e6:.0f}",
        f"{found.exchanged / 1e6:.0f} ({found.shares['network']:.1%})",
        f"{found.checkpoints / 1e6:.1f}", f"{found.goodput:.2%}", found.breaks_first,
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print what was measured, what is assumed, and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="+", metavar="PRESET or key=value")
    parser.add_argument("--samples", type=int, default=32, help="that are made to measure them")
    parser.add_argument("--batch-per-gpu", type=int, help="default: the run's batch for all GPUs")
    parser.add_argument("--checkpoint-minutes", type=float, default=10)
    parser.add_argument("--tflops", type=float, default=100, help="sustained by a GPU")
    parser.add_argument("--gpus-per-node", type=int, default=8)
    parser.add_argument("--cores-per-gpu", type=int, default=12)
    parser.add_argument("--gbit-per-gpu", type=float, default=12.5)
    parser.add_argument("--requests", type=float, default=5500, help="a second, of one prefix")
    parser.add_argument("--lost-per-hour", type=float, default=0.01, help="share of the nodes")
    parser.add_argument("--restart-s", type=float, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = measured(options.words, options.samples, 60 * options.checkpoint_minutes)
    machines = Machines(
        gpus=options.gpus_per_node,
        flops=1e12 * options.tflops,
        cores=options.cores_per_gpu,
        network=options.gbit_per_gpu * 1e9 / 8,
        requests=options.requests,
        lost_per_hour=options.lost_per_hour,
        restart_s=options.restart_s,
    )
    print(
        f"a sample: {work.files_per_sample:.1f} pictures, {work.bytes_per_sample / 1e6:.2f} MB, "
        f"{1000 * work.decode_s:.1f} ms of a core, {work.flops_per_sample / 1e9:.0f} GFLOP; "
        f"gradients {work.gradient_bytes / 1e6:.0f} MB, "
        f"checkpoint {work.checkpoint_bytes / 1e6:.0f} MB; batch {work.batch_size}"
    )
    print(f"assumed: {machines}")
    titles = (
        "GPUs", "samples/s", "s a step", "decode cores", "requests/s", "read MB/s",
        "exchanged MB/s a node (network)", "checkpoints MB/s", "goodput", "breaks first",
    )  # fmt: skip
    print(f"| {' | '.join(titles)} |")
    print("| --- " * len(titles) + "|")
    for gpus in GPUS:
        size = (options.batch_per_gpu or 0) * gpus or work.batch_size
        print(row(demand(replace(work, batch_size=size), machines, gpus)))


if __name__ == "__main__":
    main()
