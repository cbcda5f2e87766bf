"""`mtl evaluate`: one-pass evaluation of models and baselines on one machine."""

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
        "evaluate", help="track sequences with models and baselines, score and compare them"
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What this command and `cluster/evaluate.py` have in common."""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="RUN|MODEL|key=value",
        help="run folders or model files, and keys such as data.root=DIR (none: embedded "
        "sequences), data.labels=DIR, data.on_error=skip, cluster.cpus_per_worker=N (threads, "
        "default 1; the last digits of a box depend on it)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder; goes on if begun"
    )
    parser.add_argument(
        "--baseline",
        action="append",
        default=[],
        metavar="NAME",
        help="csrt or kcf of OpenCV, in the same tables; may be repeated",
    )
    parser.add_argument("--layout", metavar="L", help="of the data; default: found by looking")
    parser.add_argument("--split", metavar="S", help="of the data, as in test")
    parser.add_argument("--max-sequences", type=int, metavar="N", help="at most so many")
    parser.add_argument(
        "--pack",
        choices=("got10k", "trackingnet"),
        help="make the archive that this evaluation server takes, once it is checked",
    )
    parser.add_argument(
        "--conditions",
        choices=("labels", "predicted", "both"),
        default="both",
        help="whose word counts on the condition of a frame (labels: heads do not run)",
    )


def request_of(options: argparse.Namespace) -> Request:
    """The request behind parsed options."""
    from mtl.benchmark.request import Request

    return Request(
        words=options.words,
        out=options.out,
        baselines=options.baseline,
        layout=options.layout,
        split=options.split,
        max_sequences=options.max_sequences,
        conditions=options.conditions,
        pack=options.pack,
    )


def run(options: argparse.Namespace) -> None:
    """Run it."""
    import torch

    from mtl.benchmark.command import evaluate_request
    from mtl.benchmark.run import in_this_process
    from mtl.benchmark.terminal import evaluation_console

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    evaluate_request(
        request_of(options),
        lambda config: in_this_process(device, config.cluster.cpus_per_worker),
        evaluation_console(),
    )
