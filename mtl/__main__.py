"""The `mtl` command: everything that needs no cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mtl.config.load import load, preset_names, to_yaml
from mtl.errors import ConfigError, MtlError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="mtl", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_synth, _add_annotate, _add_report, _add_config):
        add(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except MtlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _add_synth(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "synth", help="render maritime sequences with known conditions, in MVTD layout with labels"
    )
    parser.add_argument("out", type=Path, help="new folder for train/, val/ and test/")
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="frames=, width=, seed=, ..."
    )
    parser.set_defaults(run=_synth)


def _synth(options: argparse.Namespace) -> None:
    from mtl.data.synthetic import render_dataset

    words = [f"data.synthetic.{word}" for word in options.settings]
    config = load("demo", words).data.synthetic
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        raise ConfigError(f"{options.out} exists and is not an empty folder; name a new one.")
    render_dataset(options.out, config, splits=("train", "val", "test"))
    print(f"rendered train, val and test below {options.out}")


def _add_annotate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "annotate", help="write condition labels by the computed rules, beside GOT-10k/MVTD splits"
    )
    parser.add_argument("root", help="folder or URI with train/, val/ or test/")
    parser.add_argument("out", type=Path, help="folder for <split>_.../<sequence>/<sequence>.jsonl")
    parser.set_defaults(run=_annotate)


def _annotate(options: argparse.Namespace) -> None:
    from mtl.data.label_writer import write_computed_labels

    for what, count in write_computed_labels(options.root, options.out).items():
        print(f"{what}: {count}")
    print(f"give data.labels={options.out} to train with these labels")


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("report", help="write report.html of a run, one file, offline")
    parser.add_argument("run_folder", type=Path, help="folder of a run, as in runs/NAME")
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> None:
    from mtl.report.run_report import report_run

    print(report_run(options.run_folder))


def _add_config(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("config", help="print a config with every key")
    parser.add_argument("source", help=f"YAML file or preset: {', '.join(preset_names())}")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    parser.set_defaults(run=_config)


def _config(options: argparse.Namespace) -> None:
    print(to_yaml(load(options.source, options.overrides)), end="")


if __name__ == "__main__":
    sys.exit(main())
