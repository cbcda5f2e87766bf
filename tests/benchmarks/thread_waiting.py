"""How waiting threads of a training step should wait: `python tests/benchmarks/thread_waiting.py`.

Times the demo's training step with 1 and 2 threads, with OpenMP's default waiting and with
OMP_WAIT_POLICY=PASSIVE, on an otherwise idle machine and beside one busy process, side by side.
Prints each as a ratio to one thread on the idle machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
BUSY = "while True: pass"


def step_seconds(num_threads: int, steps: int) -> float:
    """Median seconds of a forward and backward pass of the demo's model on random clips."""
    import torch

    from mtl.config.load import load
    from mtl.losses.tracking import tracking_losses
    from mtl.models.build import build_model

    torch.set_num_threads(num_threads)
    torch.manual_seed(0)
    config = load("demo")
    model = build_model(config).train()
    B, T = config.training.batch_size, config.model.search_frames
    z, s = config.model.template.size, config.model.search.size
    template, search = torch.randn(B, 3, z, z), torch.randn(B, T, 3, s, s)
    boxes = torch.tensor([0.25, 0.25, 0.5, 0.5])
    times = []
    for _ in range(steps + 2):
        start = time.perf_counter()
        output = model(template, search, boxes.expand(B, 4), 0.7, torch.zeros(B, T, 2))
        losses, _ = tracking_losses(output, boxes.expand(B, T, 4))
        assert output.condition_logits is not None
        (sum(losses.values()) + output.condition_logits.square().mean()).backward()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def measure(num_threads: int, policy: str | None, steps: int) -> float:
    """The same in a fresh process, since the policy is read once."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    if policy:
        environment["OMP_WAIT_POLICY"] = policy
    words = [sys.executable, __file__, "--child", str(num_threads), "--steps", str(steps)]
    return float(
        subprocess.run(
            words, env=environment, cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(step_seconds(options.child, options.steps))
        return
    one = measure(1, "PASSIVE", options.steps)
    print(f"1 thread, idle machine: 1.00 ({one:.3f} s a step)")
    for load_name, busy in (("idle", 0), ("beside a busy process", 1)):
        others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(busy)]
        try:
            for threads, policy in ((1, "PASSIVE"), (2, None), (2, "PASSIVE")):
                ratio = measure(threads, policy, options.steps) / one
                name = f"{threads} threads, {policy or 'default'} waiting, {load_name}"
                print(f"{name}: {ratio:.2f}", flush=True)
        finally:
            for other in others:
                other.kill()


if __name__ == "__main__":
    main()
