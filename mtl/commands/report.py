"""`mtl report`: write the report of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtl.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("report", help="write report.html of a run, one file, offline")
    parser.add_argument("run_folder", type=Path, help="folder of a run, as in runs/NAME")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run it."""
    from mtl.families.report import report_run

    print(report_run(options.run_folder))
