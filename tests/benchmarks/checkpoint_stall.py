"""How long a checkpoint holds up training: `python tests/benchmarks/checkpoint_stall.py [WORDS]`.

One run on Ray, of the words that `cluster/train.py` takes. Each step is timed, each call that keeps
a state, and which steps were trained while a checkpoint was still on its way to storage. Printed:
the median step, what keeping a state adds to the step that does, by how much steps beside an upload
are longer, and the share of the training that all of it is, with a checkpoint every so many steps.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import cluster.settings  # noqa: F401 - before Ray

# isort: split
from cluster import reporter, train, worker
from cluster.worker import Job
from mtl.training.checkpoints import Checkpoints
from mtl.training.state import TrainingState


def timed_worker(loop_config: dict[str, Job]) -> str | None:
    """`train_worker` with a clock around each call that keeps a state."""
    config = loop_config["job"].config
    steps: list[tuple[float, bool]] = []
    """Seconds of each step, and whether a checkpoint was on its way."""
    stalls: list[float] = []
    """Seconds of each call that kept a state within an epoch."""
    sizes: list[int] = []
    """Bytes of each checkpoint."""
    under_way = threading.Event()
    keep, progress, bring = (
        reporter.RunReporter.checkpoint, reporter.RunReporter.progress, Checkpoints.bring,
    )  # fmt: skip

    def timed_keep(self: Any, state: TrainingState, improved: bool) -> None:
        within, start = bool(state.totals), time.perf_counter()
        under_way.set()
        keep(self, state, improved)
        if within:
            stalls.append(time.perf_counter() - start)

    def timed_progress(self: Any, news: dict[str, Any]) -> None:
        steps.append((news["step_seconds"], under_way.is_set()))
        progress(self, news)

    def timed_bring(self: Any, folder: Path, *arguments: Any) -> None:
        sizes.append(sum(file.stat().st_size for file in folder.iterdir()))
        bring(self, folder, *arguments)
        under_way.clear()

    with (
        mock.patch.object(reporter.RunReporter, "checkpoint", timed_keep),
        mock.patch.object(reporter.RunReporter, "progress", timed_progress),
        mock.patch.object(Checkpoints, "bring", timed_bring),
    ):
        end = worker.train_worker(loop_config)
    place = Path(config.storage) / str(config.name) / "stalls.json"
    place.write_text(json.dumps({"steps": steps, "stalls": stalls, "bytes": max(sizes)}))
    return end


def main(arguments: list[str] | None = None) -> int:
    """Train once and print what was timed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", default=["demo"], metavar="PRESET or key=value")
    parser.add_argument("--every", type=int, default=10, help="steps between two checkpoints (10)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mtl-stall-") as scratch:
        words = [
            *options.words, f"checkpoint.every_steps={options.every}", "training.log_every=1",
            f"storage={scratch}", "name=stall",
        ]  # fmt: skip
        with (
            mock.patch("cluster.job.train_worker", timed_worker),
            redirect_stdout(sys.stderr),
        ):
            if status := train.main(words):
                return status
        timed = json.loads((Path(scratch) / "stall" / "stalls.json").read_text())
    for line in told(timed, options.every):
        print(line)
    return 0


def told(timed: dict[str, Any], every: int) -> list[str]:
    """What was timed, in words; the first steps of a run are left out."""
    steps, stalls = timed["steps"][5:], timed["stalls"]
    alone = [seconds for seconds, under_way in steps if not under_way]
    beside = [seconds for seconds, under_way in steps if under_way]
    step, stall = statistics.median(alone), statistics.median(stalls)
    lines = [
        f"{len(alone)} steps with no checkpoint on its way: median {1000 * step:.1f} ms",
        f"{len(stalls)} states of {timed['bytes'] / 1e6:.0f} MB kept: median "
        f"{1000 * stall:.1f} ms, {stall / step:.1%} of a step; at most {1000 * max(stalls):.1f} ms",
    ]
    slower = max(0.0, statistics.median(beside) / step - 1) if beside else 0.0
    lines.append(f"{len(beside)} steps beside one on its way: median {slower:.1%} longer")
    share = (stall + slower * step * len(beside) / max(1, len(stalls))) / (every * step)
    lines.append(f"with a checkpoint every {every} steps: {share:.2%} of the training")
    return lines


if __name__ == "__main__":
    sys.exit(main())
