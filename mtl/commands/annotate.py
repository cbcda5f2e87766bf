"""`mtl annotate`: write condition labels by the computed rules."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtl.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "annotate", help="write condition labels by the computed rules, beside GOT-10k/MVTD splits"
    )
    parser.add_argument("root", help="folder or URI with train/, val/ or test/")
    parser.add_argument("out", type=Path, help="folder for <split>_.../<sequence>/<sequence>.jsonl")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run it."""
    from mtl.data.label_writer import write_computed_labels

    for what, count in write_computed_labels(options.root, options.out).items():
        print(f"{what}: {count}")
    print(f"give data.labels={options.out} to train with these labels")
