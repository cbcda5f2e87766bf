"""`mtl gradients`: what each task asks of the layers that all of them share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mtl.commands.command import Commands

if TYPE_CHECKING:
    from torch import nn

    from mtl.config.schema import TrackerRunConfig
    from mtl.report.gradients import GradientReport, LayerGradients
    from mtl.training.gradient_flow import Layers, LayerSummary, Summary

FIXED = ("mode", "model", "head")
"""Keys that trained weights hold fast."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "gradients", help="measure length and angle of the tasks' gradients, layer by layer"
    )
    parser.add_argument(
        "source",
        metavar="RUN|PRESET|FILE",
        help="trained weights (folder of a run, .safetensors file), or a config, whose model "
        "begins with seeded weights",
    )
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    parser.add_argument("--batches", type=int, default=8, help="how many (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("gradients"),
        metavar="DIR",
        help="for gradients.csv and gradients.png (default: ./%(default)s)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run it."""
    import torch
    from rich.console import Console

    from mtl.data.index import build_index
    from mtl.errors import ConfigError, DataError
    from mtl.files import write_atomically
    from mtl.report.gradients import as_csv, gradient_figure, terminal_table
    from mtl.report.trackers import encoded
    from mtl.tasks.build import build_task
    from mtl.training.gradient_batches import GradientStudy
    from mtl.training.gradient_flow import Summary, require_identity
    from mtl.training.plan import plan_of

    if options.batches < 1:
        raise ConfigError(f"--batches must be at least 1, got {options.batches}.")
    if options.out.exists() and not options.out.is_dir():
        raise ConfigError(f"--out {options.out} is a file; name a folder.")
    trained, config = _open(options.source, options.overrides)
    if config.condition_head is None or not config.running_stages:
        raise ConfigError(
            f"mode '{config.mode}' trains no condition head, so there are no two tasks whose "
            "gradients could be compared; choose another with mode=mtl_hard."
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    index = build_index(config.data, "train")
    task = build_task(config, index)
    model = (trained or _fresh(config)).to(device)
    epoch = plan_of(config).num_epochs if trained else 1
    study = GradientStudy(config, task, model, index, epoch)
    flows = []
    with Console(stderr=True).status("") as status:
        for flow in study.flows(options.batches, device):
            require_identity(flow)
            flows.append(flow)
            status.update(f"batch {len(flows)} of {options.batches}")
    summary = Summary.of(flows)
    if not summary.overall.pairs:
        raise DataError(
            f"no two tasks have a gradient in {options.batches} batches of {index.root}; label "
            "frames with their conditions (data.labels), or raise --batches."
        )
    report = _report(summary, study.layers, list(task.loss_groups))
    weights = "its weights" if trained else "seeded weights"
    title = (
        f"{options.source}, {config.mode}, {weights}: "
        f"{summary.batches} × {study.batch_size} training clips"
    )
    console = Console(highlight=False)
    console.print(terminal_table(report, title))
    console.print(
        f"identity: |grad(total) - sum of the tasks' gradients| / |grad(total)| "
        f"<= {summary.identity_error:.1e}",
        soft_wrap=True,
    )
    write_atomically(options.out / "gradients.csv", as_csv(report).encode())
    write_atomically(options.out / "gradients.png", encoded(gradient_figure(report, title), "png"))
    console.print(f"written: gradients.csv, gradients.png in {options.out}", soft_wrap=True)


def _open(source: str, overrides: list[str]) -> tuple[nn.Module | None, TrackerRunConfig]:
    """A model with trained weights if there are any, and the config."""
    from mtl.config.load import load_text, load_tracker, preset_names, to_yaml
    from mtl.config.tracker_run import as_tracker
    from mtl.errors import ConfigError
    from mtl.models.model_file import open_model

    path = Path(source)
    if source in preset_names() or not (path.is_dir() or path.suffix == ".safetensors"):
        return None, load_tracker(source, overrides)
    model, saved = open_model(path)
    origin = f"the config in {source}"
    config = as_tracker(load_text(to_yaml(saved), origin, overrides), origin)
    for key in FIXED:
        if getattr(config, key) != getattr(saved, key):
            raise ConfigError(
                f"'{key}' is fixed by the weights in {source}; leave it as it is, or name a preset."
            )
    return model, config


def _fresh(config: TrackerRunConfig) -> nn.Module:
    """The model a run of this config would begin with."""
    from mtl.models.build import build_model
    from mtl.models.weights import start_from
    from mtl.training.seeding import seed_weights

    seed_weights(config.seed)
    model = build_model(config)
    if config.model.init:
        start_from(model, Path(config.model.init))
    return model


def _report(summary: Summary, layers: Layers, groups: list[str]) -> GradientReport:
    """The summary as plain data for readers."""
    from itertools import combinations

    from mtl.report.gradients import Angle, GradientReport, LayerGradients

    tasks = [name for name in groups if name in summary.overall.norms]
    pairs = list(combinations(range(len(tasks)), 2))

    def row(name: str, parameters: int, found: LayerSummary) -> LayerGradients:
        measured = [found.pairs.get((tasks[a], tasks[b])) for a, b in pairs]
        return LayerGradients(
            name,
            parameters,
            [found.norms.get(task) for task in tasks],
            [None if pair is None else Angle(*pair) for pair in measured],
        )

    sizes = {name: sum(x.numel() for x in group) for name, group in layers.items()}
    rows = [row(name, sizes[name], found) for name, found in summary.layers.items()]
    overall = row("all shared", sum(sizes.values()), summary.overall)
    return GradientReport(tasks, pairs, rows, overall)
