"""What a trial costs beside its training: `python tests/benchmarks/trial_overhead.py`.

The same training takes place outside Tune (`cluster.worker.carry_out`, on Ray for its samples) and
as the trials of a search, one at a time. Both write down how long they trained and evaluated;
what is left of a trial's time, from the end of the one before to its own, is put beside what is
left of the training outside. So the figures do not depend on how fast the machine trains at that
moment. The first trial, whose process has to start, is shown alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import cluster.settings  # noqa: F401 - before Ray

# isort: split
import optuna
import torch

from cluster.job import connect
from cluster.worker import carry_out
from mtl.config.load import load
from mtl.families import family_of
from mtl.training.run_folder import RunFolder
from mtl.training.state import TrainingState
from tune.study import JOURNAL

SPACE = """\
run:
  preset: demo
  stages: {{head: {{epochs: 1}}, full: {{epochs: {epochs}}}}}
  training: {{samples_per_epoch: {samples}, num_threads: 1}}
  checkpoint: {{keep: 1}}
  loss: {{cls_weight: 0.5}}
space:
  cls_weight: {{kind: float, path: loss.cls_weight, low: 0.4, high: 0.6}}
objectives: [{{value: iou}}]
trials: {trials}
concurrent_trials: 1
sampler: random
scheduler: none
reruns: {{top: 0}}
"""


def trained_seconds(folder: Path) -> float:
    """Seconds of training, validation and evaluation that a run wrote down."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return float(lines[-1]["seconds"])


def outside(storage: Path, epochs: int, samples: int) -> float:
    """What is left of a training outside Tune, in seconds."""
    words = [f"stages={{head: {{epochs: 1}}, full: {{epochs: {epochs}}}}}", "checkpoint.keep=1"]
    words += [f"training.samples_per_epoch={samples}", "training.num_threads=1"]
    words += ["loss.cls_weight=0.5"]
    config = load("demo", [*words, f"storage={storage}", "name=outside"])
    family = family_of(config)
    indices = family.indices()
    checkpoints = RunFolder(str(storage), "outside").checkpoints
    resolved = config.model_dump(mode="json")

    def keep(metrics: dict[str, Any], state: TrainingState | None) -> None:
        assert state is not None
        checkpoints.save(state, resolved, config.checkpoint.keep)

    with ExitStack() as at_end:
        connect(config, at_end)
        start = time.monotonic()
        carry_out(config, indices, torch.device("cpu"), TrainingState(), lambda news: None, keep)
        seconds = time.monotonic() - start
    return seconds - trained_seconds(storage / "outside")


def inside(storage: Path, space: Path) -> list[float]:
    """What is left of each trial of a search, in seconds, the first since the command's start."""
    command = [sys.executable, str(ROOT / "tune" / "search.py"), str(space)]
    begun = datetime.now()
    subprocess.run(
        [*command, f"storage={storage}", "name=inside"],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    folder = storage / "inside"
    journal = optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
    study = optuna.load_study(study_name="inside", storage=optuna.storages.JournalStorage(journal))
    left = []
    for trial in study.trials:
        assert trial.datetime_complete is not None
        trained = trained_seconds(folder / "trials" / f"trial-{trial.number:05d}")
        left.append((trial.datetime_complete - begun).total_seconds() - trained)
        begun = trial.datetime_complete
    return left


def main() -> None:
    """Print what is left of a training outside, of the first trial and of the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=3, help="after one epoch of the first stage")
    parser.add_argument("--samples", type=int, default=256, help="of an epoch")
    options = parser.parse_args()
    os.environ["RAY_ADDRESS"] = "local"
    with tempfile.TemporaryDirectory(prefix="mtl-overhead-") as scratch:
        storage = Path(scratch)
        space = storage / "space.yaml"
        space.write_text(
            SPACE.format(epochs=options.epochs, samples=options.samples, trials=options.trials)
        )
        before = outside(storage, options.epochs, options.samples)
        trained = trained_seconds(storage / "outside")
        first, *others = inside(storage, space)
    print(f"a training of {trained:.0f} s takes {before:.1f} s more outside")
    print(f"the first trial, since the command: {first:.1f} s more")
    typical = statistics.median(others)
    print(
        f"a later trial: {typical:.1f} s more ({min(others):.1f} to {max(others):.1f} of "
        f"{len(others)}), {typical - before:.1f} s or {(typical - before) / trained:.1%} over the "
        "training outside"
    )


if __name__ == "__main__":
    main()
