"""`mtl doctor`: whether this machine can do the work, and what to do where it cannot."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mtl.commands.command import Commands
from mtl.config.load import preset_names

if TYPE_CHECKING:
    from mtl.doctor.finding import Finding

STYLES = {"ok": "green", "warning": "yellow", "error": "red"}
DEFAULT = "demo"
"""The preset that keys without a preset or file change, as of `cluster/train.py`."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="check this machine: packages, GPU, memory; of a run its storage, data and disk too",
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="PRESET|FILE section.key=value",
        help=f"the run to check for, as cluster/train.py takes it ({', '.join(preset_names())}); "
        "none: the machine alone",
    )
    parser.add_argument("--json", action="store_true", help="print a list of objects instead")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run it.

    Raises:
        ResourceError: something was found with which work cannot start.
    """
    from mtl.config.load import load
    from mtl.doctor.finding import errors
    from mtl.doctor.run import machine_findings, run_findings
    from mtl.errors import ResourceError

    words = list(options.words)
    if words:
        source = words.pop(0) if "=" not in words[0] else DEFAULT
        config = load(source, words)
        if config.name is None:
            config = config.model_copy(update={"name": "doctor"})
        findings = machine_findings(config) + run_findings(config)
    else:
        findings = machine_findings()
    _print_json(findings) if options.json else _print_table(findings)
    if bad := errors(findings):
        names = ", ".join(dict.fromkeys(finding.what for finding in bad))
        raise ResourceError(f"this machine is not ready ({names}); do what the table says.")


def _print_json(findings: Sequence[Finding]) -> None:
    import json

    rows = [{"what": one.what, "level": one.level.value, "text": one.text} for one in findings]
    print(json.dumps(rows, indent=1))


def _print_table(findings: Sequence[Finding]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_header=False, show_edge=False, padding=(0, 1))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column()
    for what, level, text in findings:
        table.add_row(what, Text(level.value, STYLES[level.value]), Text(text))
    Console(highlight=False).print(table)
