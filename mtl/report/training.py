"""Training in the report: headline figures, table of last and best values, curves, every epoch."""

from __future__ import annotations

from collections.abc import Sequence

from mtl.report.contents import TRACKERS, Contents
from mtl.report.curves import Level, Line, Mark, curve_svg
from mtl.report.html import Html, details, image, join, paragraph, section, table, tag, text
from mtl.report.metrics import Best, History, is_number
from mtl.report.task_weights import weight_chart, weight_names
from mtl.report.values import MISSING, SPLIT_LABELS, duration, number

COLORS = {"train": "#d0812a", "val": "#14639e", "test": "#3b8c5a"}


def tiles(history: History, contents: Contents = TRACKERS) -> Html:
    """The figures that most readers came for; what was not measured shows as missing."""
    figures = [(title, *_best(history, name)) for title, name in contents.best]
    order = sorted(history.tracking, key=lambda line: line["split"] != "test")
    line = order[0] if order else {}
    where = f"{contents.final_name} not run"
    if line:
        where = f"{contents.final_name}, {SPLIT_LABELS[line['split']]} {contents.final_unit}"
    figures += [(title, number(line.get(name)), where) for title, name in contents.final]
    return tag(
        "ul",
        join(
            Html(
                f'<li><span class="name">{text(name)}</span><span class="value">{text(value)}'
                f'</span><span class="when">{text(when)}</span></li>'
            )
            for name, value, when in figures
        ),
        "tiles",
    )


def last_and_best(history: History, contents: Contents = TRACKERS) -> Html:
    """Table of every metric in the last epoch, and the best validation value with its epoch."""
    train, val = history.last("train"), history.last("val")
    rows = []
    for name in contents.table:
        best = history.best("val", name)
        if name in train or name in val:
            rows.append(
                (
                    contents.label(name),
                    number(train.get(name)),
                    number(val.get(name)),
                    number(best.value if best else None),
                    str(best.position) if best else MISSING,
                )
            )
    headers = ("metric", "training, last", "validation, last", "validation, best", "in epoch")
    return table("Last and best epoch", headers, rows) if rows else Html("")


def curve_section(history: History, contents: Contents = TRACKERS) -> Html:
    """A chart for each metric that was measured, and one for the task weights."""
    charts = [chart for name in contents.charts if (chart := _chart(history, name, contents))]
    charts += [chart] if (chart := weight_chart(history)) else []
    return section("Curves", tag("div", join(charts), "charts")) if charts else Html("")


def epoch_table(history: History, contents: Contents = TRACKERS) -> Html:
    """Every epoch's numbers, folded away; also what the curves show, as text."""
    names = [
        name
        for name in (
            *contents.table,
            *weight_names(history),
            "learning_rate",
            "samples_per_second",
            "skipped",
        )
        if any(is_number(line.get(name)) for line in history.epochs)
    ]
    if not history.epochs:
        return Html("")
    rows = [
        (
            str(line["epoch"]),
            line["stage"],
            SPLIT_LABELS[line["split"]],
            *(number(line.get(name)) for name in names),
            duration(line.get("seconds")),
        )
        for line in history.epochs
    ]
    headers = ("epoch", "stage", "split", *map(contents.label, names), "time so far")
    return details("Every epoch in numbers", table("All epochs", headers, rows))


def _best(history: History, name: str) -> tuple[str, str]:
    best = history.best("val", name)
    if best is None:
        return MISSING, "not measured"
    return number(best.value), f"epoch {best.position}"


def _chart(history: History, name: str, contents: Contents) -> Html:
    lines = [
        Line(SPLIT_LABELS[split], points, COLORS[split])
        for split in ("train", "val")
        if (points := history.series(split, name))
    ]
    balanced = history.series("val", "balanced_accuracy") if name == "accuracy" else []
    if balanced:
        lines.append(Line("balanced", balanced, COLORS["val"], dashed=True))
    if not lines:
        return Html("")
    points = history.series("val", name)
    best = history.best("val", name) if name in contents.marked else None
    mark = None
    if best and len(points) > 1:
        mark = Mark(best.position, best.value, below=not name.startswith("loss/"))
    svg = curve_svg(
        lines,
        list(history.boundaries()),
        unit_interval=name in contents.unit_interval,
        mark=mark,
        level=_chance(name, contents),
    )
    return image(
        svg.encode("utf-8", "replace"),
        "image/svg+xml",
        _described(contents.label(name), lines, best),
        contents.label(name),
    )


def _chance(name: str, contents: Contents) -> Level | None:
    value = contents.chance.get(name)
    return None if value is None else Level("chance", value)


def _described(title: str, lines: Sequence[Line], best: Best | None) -> str:
    parts = [
        f"{line.label} from {number(line.points[0][1])} in epoch {line.points[0][0]} "
        f"to {number(line.points[-1][1])} in epoch {line.points[-1][0]}"
        for line in lines
    ]
    if best:
        parts.append(f"best validation value {number(best.value)} in epoch {best.position}")
    return f"{title} by epoch: {'; '.join(parts)}."


def empty_note(history: History) -> Html:
    """Says so where a run has nothing to show yet."""
    if history.epochs:
        return Html("")
    return paragraph("No epoch of this run has ended yet, so there are no curves.", "note")
