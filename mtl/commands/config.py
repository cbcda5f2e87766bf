"""`mtl config`: print a config with every key."""

from __future__ import annotations

import argparse

from mtl.commands.command import Commands
from mtl.config.load import load, preset_names, to_yaml


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("config", help="print a config with every key")
    parser.add_argument("source", help=f"YAML file or preset: {', '.join(preset_names())}")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run it."""
    print(to_yaml(load(options.source, options.overrides)), end="")
