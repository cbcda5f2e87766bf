"""How the tasks weighed in a run: a chart over epochs, and a note where one nearly vanished."""

from __future__ import annotations

from mtl.report.curves import Level, Line, curve_svg
from mtl.report.html import Html, image, join, paragraph
from mtl.report.metrics import History, is_number
from mtl.report.trackers import color_of
from mtl.report.values import LEAST_WEIGHT, low_weights, number, words

START = "weight/"


def weight_names(history: History) -> list[str]:
    """Names of the weights in the run's lines, none where all stay what they were."""
    names = dict.fromkeys(
        name
        for line in history.epochs
        for name, value in line.items()
        if name.startswith(START) and is_number(value)
    )
    changing = any(len({y for _, y in history.series("train", name)}) > 1 for name in names)
    return list(names) if changing else []


def weight_chart(history: History) -> Html:
    """The weight of every task over epochs; empty where none changes."""
    names = weight_names(history)
    if not names:
        return Html("")
    lines = [
        Line(words(name.removeprefix(START)), history.series("train", name), color_of(place))
        for place, name in enumerate(names)
    ]
    svg = curve_svg(lines, list(history.boundaries()), level=Level("least", LEAST_WEIGHT))
    told = ", ".join(f"{one.label} {number(one.points[-1][1])}" for one in lines)
    description = f"Task weights by epoch; in the last: {told}."
    return image(svg.encode("utf-8", "replace"), "image/svg+xml", description, "Task weights")


def weight_warning(history: History) -> Html:
    """A note for each task whose weight fell below `LEAST_WEIGHT`; empty where none did."""
    lowest: dict[str, tuple[float, int]] = {}
    for line in history.epochs:
        for task, value in low_weights(line).items():
            if value < lowest.get(task, (LEAST_WEIGHT, 0))[0]:
                lowest[task] = (value, line["epoch"])
    return join(
        paragraph(
            f"The weight of task {task} fell to {number(value)} in epoch {epoch}: below "
            f"{LEAST_WEIGHT} a task hardly learns; a weighting.floor keeps it above.",
            "note",
        )
        for task, (value, epoch) in lowest.items()
    )
