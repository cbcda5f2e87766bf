"""`mtl evaluate`: score and compare finished models of one family on one machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mtl.commands.command import Commands

if TYPE_CHECKING:
    from mtl.benchmark.request import Request


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "evaluate", help="score and compare models on held-out sequences or images"
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What this command and `cluster/evaluate.py` have in common."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="RUN|MODEL|key=value",
        help="run folders or model files of one family, and keys: data.root=DIR of trackers; "
        "data.det_root=DIR, data.seg_root=DIR, data.cls_root=DIR of unified models (none: "
        "embedded data), whose splits, annotations and categories are called as in the first run "
        "unless data.det_splits.test=NAME and its like are given; data.labels=DIR, "
        "data.on_error=skip, cluster.cpus_per_worker=N (threads, default 1; the last digits of a "
        "box depend on it)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder; goes on if begun"
    )
    parser.add_argument("--split", metavar="S", help="of the data, as in test")
    trackers = parser.add_argument_group("trackers")
    trackers.add_argument(
        "--baseline",
        action="append",
        default=[],
        metavar="NAME",
        help="csrt or kcf of OpenCV, in the same tables; may be repeated",
    )
    trackers.add_argument("--layout", metavar="L", help="of the data; default: found by looking")
    trackers.add_argument("--max-sequences", type=int, metavar="N", help="at most so many")
    trackers.add_argument(
        "--pack",
        choices=("got10k", "trackingnet"),
        help="make the archive that this evaluation server takes, once it is checked",
    )
    trackers.add_argument(
        "--conditions",
        choices=("labels", "predicted", "both"),
        default="both",
        help="whose word counts on the condition of a frame (labels: heads do not run)",
    )
    unified = parser.add_argument_group("unified models")
    unified.add_argument(
        "--teacher",
        action="append",
        default=[],
        metavar="TASK=MODEL",
        help="whom a model is compared with on det, seg or cls; default: the teachers in its run "
        "folder; may be repeated",
    )


def request_of(options: argparse.Namespace) -> Request:
    """The request behind parsed options."""
    from mtl.benchmark.request import Request

    return Request(
        words=options.words,
        out=options.out,
        baselines=tuple(options.baseline),
        layout=options.layout,
        split=options.split,
        max_sequences=options.max_sequences,
        conditions=options.conditions,
        pack=options.pack,
    )


def run(options: argparse.Namespace) -> None:
    """Run it."""
    import torch

    from mtl.benchmark.terminal import evaluation_console
    from mtl.families.evaluate import ThisProcess, evaluate

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    evaluate(request_of(options), options.teacher, ThisProcess(device), evaluation_console())
