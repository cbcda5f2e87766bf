"""Comparisons as tables: for a terminal, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from mtl.comparison.compare import Cost
from mtl.comparison.timing import Times

COLUMNS = (
    "model",
    "conditions",
    "parameters",
    "of the head",
    "GFLOP a step",
    "step, ms",
    "step / head off",
    "step MB",
    "GFLOP a frame",
    "frame, ms",
    "frame / head off",
    "frame MB",
)
TEXT_COLUMNS = 2


def rows(costs: Sequence[Cost]) -> list[list[str]]:
    """One row of text for each variant, in the order of COLUMNS."""
    table = []
    for cost in costs:
        row = [cost.variant.source, cost.variant.name]
        row += [f"{cost.parameters:,}", f"{cost.head_parameters:,}"]
        for work in cost.works.values():
            row += [
                f"{work.flops / 1e9:.3f}",
                f"{1000 * work.times.seconds:.1f}",
                _ratios(work.times),
                f"{work.peak_bytes / 1e6:.0f}",
            ]
        table.append(row)
    return table


def _ratios(times: Times) -> str:
    low, middle, high = times.ratios
    return f"{middle:.3f} ({low:.3f}-{high:.3f})"


def terminal_table(costs: Sequence[Cost]) -> Table:
    """One model's variants side by side, which suits a terminal's width better."""
    source, *names = costs[0].variant.source, *(cost.variant.name for cost in costs)
    table = Table(title=source, box=SIMPLE)  # whose width is within 80 columns
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right", min_width=len("(0.000-0.000)"))
    cells = zip(*rows(costs), strict=True)
    for column, values in list(zip(COLUMNS, cells, strict=True))[TEXT_COLUMNS:]:
        table.add_row(column, *values)
    return table


def markdown(costs: Sequence[Cost], title: str) -> str:
    """A Markdown table below its title."""
    rule = ["---"] * TEXT_COLUMNS + ["---:"] * (len(COLUMNS) - TEXT_COLUMNS)
    lines = [f"| {' | '.join(row)} |" for row in (list(COLUMNS), rule, *rows(costs))]
    return "\n".join([title, "", *lines, ""])


def as_csv(costs: Sequence[Cost]) -> str:
    """Plain numbers: seconds, bytes and operations."""
    fields = ["model", "conditions", "parameters", "head_parameters"]
    for name in costs[0].works:
        prefix = name.replace(" ", "_")
        names = ("flops", "seconds", "ratio_min", "ratio_median", "ratio_max", "peak_bytes")
        fields += [f"{prefix}_{field}" for field in names]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(fields)
    for cost in costs:
        row: list[object] = [cost.variant.source, cost.variant.name]
        row += [cost.parameters, cost.head_parameters]
        for work in cost.works.values():
            row += [work.flops, work.times.seconds, *work.times.ratios, work.peak_bytes]
        writer.writerow(row)
    return text.getvalue()
