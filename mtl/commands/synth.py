"""`mtl synth`: render maritime sequences with known conditions."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtl.commands.command import Commands
from mtl.config.load import load_tracker
from mtl.errors import ConfigError


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "synth", help="render maritime sequences with known conditions, in MVTD layout with labels"
    )
    parser.add_argument("out", type=Path, help="new folder for train/, val/ and test/")
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="frames=, width=, seed=, ..."
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run it."""
    from mtl.data.synthetic import render_dataset

    words = [f"data.synthetic.{word}" for word in options.settings]
    config = load_tracker("demo", words).data.synthetic
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise ConfigError(f"{options.out} exists and is not an empty folder; name a new one.")
    render_dataset(options.out, config, splits=("train", "val", "test"))
    print(f"rendered train, val and test below {options.out}")
