"""The report of a run folder: its numbers, and its results beside the truth."""

from __future__ import annotations

from pathlib import Path

from mtl.config.load import load
from mtl.errors import DataError
from mtl.families.build import family_of
from mtl.report.write import write_report


def report_run(run_folder: Path) -> Path:
    """Write report.html of a local run folder; returns its path.

    Raises:
        DataError: the folder is no run's, or something in it cannot be read.
    """
    if not (run_folder / "config.yaml").is_file():
        raise DataError(f"{run_folder} is no run folder: it has no config.yaml; name one of runs/.")
    config = load(str(run_folder / "config.yaml"))
    family = family_of(config)
    return write_report(run_folder, family.pictures(run_folder), family.contents)
