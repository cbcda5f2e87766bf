"""Train a model on Ray: `python cluster/train.py [PRESET|FILE.yaml] [key=value ...]`.

With no arguments: the demo preset on embedded data. Works from a fresh clone, through
`ray job submit --working-dir . -- python cluster/train.py` and through `ray submit`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / "pyproject.toml").exists() and str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a script, Python looks for packages in cluster/ only

import cluster.settings  # noqa: F401 - before Ray

# isort: split
from rich.console import Console

from cluster.ending import exit_status
from cluster.job import connect, run_training
from cluster.preflight import (
    check_disk,
    check_name,
    check_resources,
    check_run_on_nodes,
    check_storage,
    saved_config,
    with_gpus,
)
from cluster.room import room_for
from cluster.storage import absolute_storage, absolute_weights
from cluster.summary import final_table, publish_report
from mtl.config.load import load, preset_names
from mtl.config.schema import RunConfig
from mtl.doctor.weights import check_init
from mtl.errors import ConfigError
from mtl.families import family_of
from mtl.families.footprint import disk_need
from mtl.training.run_folder import RunFolder

USAGE = f"""usage: python cluster/train.py [PRESET|FILE.yaml] [section.key=value ...]

Trains a model on Ray and leaves a run folder: checkpoints, curves, best weights, report.
With no arguments it trains the demo preset on embedded maritime sequences.

presets: {", ".join(preset_names())}

keys every run knows (all keys: python -m mtl config PRESET):
  name=NAME           name of the run folder; default: preset and time
  storage=DIR|URI     where run folders lie; default: runs
  resume=true         go on from the last checkpoint of the run called name=
  seed=N              seed of weights, samples and dropout
  data.root=DIR|URI   sequences in GOT-10k or MVTD layout (trackers)
  data.det_root=DIR|URI, data.seg_root=..., data.cls_root=...
                      COCO, VOC and image-folder sets (unified); any may be absent
  model.init=DIR      weights to start from: a folder of `mtl import`, or of a run
  cluster.workers=N   training processes"""


def resolve(arguments: Sequence[str], preset: str = "demo") -> RunConfig:
    """The run that these command-line words ask for, with its name decided.

    Without a preset or file that of `preset`; `resume=true name=X` takes the config that run X was
    started with.
    """
    words = list(arguments)
    source = words.pop(0) if words and "=" not in words[0] else None
    values = dict(word.split("=", 1) for word in words if "=" in word)
    if source is None and values.get("resume") == "true" and "name" in values:
        storage = absolute_storage(values.get("storage", "runs"), Path.cwd(), Path.home())
        folder = RunFolder(storage, values["name"])
        if folder.exists():
            return _absolute(saved_config(folder, [*words, f"storage={storage}"]))
    config = _absolute(load(source or preset, words))
    if config.name is None:
        if config.resume:
            raise ConfigError("resume=true needs name= to say which run to go on with.")
        label = Path(source or preset).stem
        config = config.model_copy(update={"name": f"{label}-{datetime.now():%Y%m%d-%H%M%S}"})
    return family_of(config).prepared()


def _absolute(config: RunConfig) -> RunConfig:
    """The config with paths that mean the same to every process, on nodes that share a disk."""
    here, home = Path.cwd(), Path.home()
    storage = absolute_storage(config.storage, here, home)
    return absolute_weights(config, here, home).model_copy(update={"storage": storage})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if any(word in ("-h", "--help") for word in words):
        print(USAGE)
        return 0
    stopped = "stopped; the same command with resume=true and this name goes on."
    return exit_status(lambda at_end: train(words, at_end), stopped)


def train(words: Sequence[str], at_end: ExitStack) -> None:
    """Train the run that these command-line words ask for.

    Raises:
        MtlError: in one sentence; what was trained until then is kept.
    """
    console = Console(highlight=False, soft_wrap=True)
    config = resolve(words)
    folder = RunFolder(config.storage, str(config.name))
    check_name(config, folder)
    if folder.finished():
        console.print(f"run '{config.name}' in {folder.place} is done already", markup=False)
    else:
        _bring_to_its_end(config, folder, console, at_end)
    publish_report(folder)
    final_table(folder, config, console)


def _bring_to_its_end(
    config: RunConfig, folder: RunFolder, console: Console, at_end: ExitStack
) -> None:
    check_init(config)
    check_storage(config.storage)
    console.print(f"run '{config.name}' in {folder.place}", markup=False)
    indices = family_of(config).indices()
    for split, index in indices.named().items():
        for reason, count in index.skipped.items():
            console.print(f"{split}: {count} left out: {reason}", style="yellow", markup=False)
    need = disk_need(config)
    check_disk(config, need)
    joined = connect(config, at_end)
    config = with_gpus(config)
    with room_for(config, lambda: check_resources(config), console.print):
        if joined:
            check_run_on_nodes(config, need)
    run_training(config, indices, folder, console)


if __name__ == "__main__":
    sys.exit(main())
