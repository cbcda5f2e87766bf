"""The report of a search: one HTML file that opens anywhere, offline."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import optuna
from matplotlib.axes import Axes
from optuna.trial import FrozenTrial, TrialState

from mtl.files import write_atomically
from mtl.report.html import (
    Html,
    definitions,
    details,
    image,
    join,
    page,
    paragraph,
    section,
    table,
    tag,
    text,
)
from mtl.report.values import MISSING, duration
from tune import charts
from tune.budget import budget_of
from tune.load import to_yaml
from tune.parameters import ChoiceParameter
from tune.progress import STATE_WORDS, shortly
from tune.reruns import chosen, confirmed
from tune.study import Study

LEAST = 3
"""Finished trials below which nothing is said about parameters."""


def write_report(study: Study) -> None:
    """Write search.html into the search folder, whole or not at all."""
    done = study.trials(TrialState.COMPLETE)
    name = str(study.search.name)
    document = page(
        f"{name} – search",
        tag("header", join([paragraph("Search", "kicker"), tag("h1", text(name))])),
        _summary(study),
        _reruns(study),
        _progress(study, done),
        _fronts(study, done),
        _parameters(study, done) if len(done) >= LEAST else Html(""),
        _trials(study),
    )
    write_atomically(study.folder / "search.html", document.encode("utf-8", "replace"))


def _summary(study: Study) -> Html:
    trials = study.trials(*STATE_WORDS)
    counts = [f"{len(study.trials(s))} {word}" for s, word in STATE_WORDS.items()]
    total = budget_of(study.space.base).total
    epochs = sum(trial.user_attrs.get("epochs", 0) for trial in trials)
    best = chosen(study)
    objectives = [
        f"{one.text} ({direction.direction})"
        for one, direction in zip(study.goal.objectives, study.search.objectives, strict=True)
    ]
    facts = [
        ("Objective", ", ".join(objectives)),
        ("Best", MISSING if best is None else f"trial {best}"),
        ("Trials", ", ".join(count for count in counts if not count.startswith("0 "))),
        ("Sampler and scheduler", f"{study.search.sampler}, {study.search.scheduler}"),
        ("Epochs of a trial", str(total)),
        ("Epochs trained", f"{epochs}, of {total * len(trials)} had all been trained to the end"),
        ("Time trained", duration(sum(t.user_attrs.get("seconds", 0.0) for t in trials))),
        ("Seed", str(study.search.seed)),
    ]
    values: dict[str, Any] = {} if best is None else study.optuna.trials[best].params
    own = study.space.own()
    rows = [
        (name, shortly(own.get(name, MISSING)), shortly(values.get(name, MISSING)))
        for name in study.space.parameters
    ]
    best_table = table("Values", ("parameter", "the run's own", "best"), rows)
    return section("Summary", tag("div", join([best_table, definitions(facts)]), "pair"))


def _reruns(study: Study) -> Html:
    again = confirmed(study)
    if not again:
        return Html("")
    rows = [
        (
            f"trial {one.number}" + (" (the run's own values)" if one.number == 0 else ""),
            shortly(one.mean),
            shortly(one.spread),
            ", ".join(map(shortly, one.values)),
            shortly(study.optuna.trials[one.number].values[0]),
        )
        for one in again
    ]
    objective = study.goal.objectives[0].text
    headers = ("trial", f"{objective}, mean", "standard deviation", "each seed", "in the search")
    return section(
        "Trained again with other seeds",
        table("The best on average is called best", headers, rows, strong={(0, 1)}),
    )


def _progress(study: Study, done: list[FrozenTrial]) -> Html:
    figures = []
    trials = [t for t in study.trials(*STATE_WORDS) if t.datetime_complete]
    trials.sort(key=lambda trial: (trial.datetime_complete, trial.number))
    for place, objective in enumerate(study.goal.objectives):
        cost, finished = 0, []
        for trial in trials:
            cost += trial.user_attrs.get("epochs", 0)
            if trial.state is TrialState.COMPLETE:
                finished.append((float(cost), trial.values[place]))
        if finished:
            draw = charts.best_so_far(finished, objective.text, study.goal.minimize[place])
            figures.append(_figure(draw, f"Best {objective.text} over compute"))
    curves = [
        (t.number, t.intermediate_values, t.state is TrialState.PRUNED)
        for t in study.trials(*STATE_WORDS)
        if t.intermediate_values
    ]
    if curves:
        rungs = study.halving.epochs if study.search.scheduler != "none" else ()
        watched = study.goal.watched
        draw = charts.intermediate(curves, rungs, chosen(study), watched)
        title = f"{watched} by epoch: best in blue, stopped dashed"
        figures.append(_figure(draw, title))
    return section("Progress", tag("div", join(figures), "charts")) if figures else Html("")


def _fronts(study: Study, done: list[FrozenTrial]) -> Html:
    if len(study.goal.objectives) < 2 or not done:
        return Html("")
    names = [one.text for one in study.goal.objectives]
    best = {trial.number for trial in study.best()}
    figures = []
    for a, b in itertools.combinations(range(len(names)), 2):
        points = [(trial.values[a], trial.values[b]) for trial in done]
        places = [i for i, trial in enumerate(done) if trial.number in best]
        draw = charts.front(points, places, (names[a], names[b]))
        figures.append(_figure(draw, f"{names[a]} and {names[b]}"))
    rows = [(f"trial {t.number}", *map(shortly, t.values)) for t in done if t.number in best]
    listed = table("Trials that no other beats in all", ("trial", *names), rows)
    return section("Pareto front", tag("div", join(figures), "charts"), listed)


def _parameters(study: Study, done: list[FrozenTrial]) -> Html:
    objective, minimize = study.goal.objectives[0].text, study.goal.minimize[0]
    values = [trial.values[0] for trial in done]
    axes = {name: _axis(study, name, done) for name in study.space.parameters}
    order = sorted(range(len(done)), key=lambda i: -values[i] if minimize else values[i])
    ranks = [0.0] * len(done)
    for rank, i in enumerate(order):
        ranks[i] = rank / max(1, len(done) - 1)
    best = next((i for i, trial in enumerate(done) if trial.number == chosen(study)), order[-1])
    lines = _figure(
        charts.parallel(list(axes.values()), ranks, best),
        f"Finished trials: yellow is good in {objective}, dark is bad, the best one in orange",
        11.5,
        3.4,
    )
    figures = []
    importance = _importance(study)
    if importance:
        figures.append(_figure(charts.bars(importance), f"Share in what moves {objective}"))
    for name, axis in axes.items():
        raw = [trial.params.get(name) for trial in done]
        log = bool(getattr(study.space.parameters[name], "log", False))
        if any(place is not None for place in axis.places):
            draw = charts.slice_of(axis, values, raw, log, objective)
            figures.append(_figure(draw, f"{objective} over {name}"))
    everywhere = [name for name, _ in importance if None not in axes[name].places]
    if len(everywhere) > 1:
        one, other = everywhere[:2]
        draw = charts.contour(axes[one], axes[other], values, objective)
        figures.append(_figure(draw, f"{objective} between trials"))
    return section("Parameters", lines, tag("div", join(figures), "charts"))


def _importance(study: Study) -> list[tuple[str, float]]:
    """Shares of the parameters that vary and that every finished trial has, the greatest first."""
    done = study.trials(TrialState.COMPLETE)
    shared = [
        name
        for name in study.space.parameters
        if all(name in trial.params for trial in done)
        and len({trial.params[name] for trial in done}) > 1
    ]
    if len(shared) < 2 or len({trial.values[0] for trial in done}) < 2:
        return []
    sign = 1.0 if study.goal.minimize[0] else -1.0  # the evaluator asks what makes it small
    with warnings.catch_warnings():  # it says of every target which sign it wants
        warnings.filterwarnings("ignore", "PedAnovaImportanceEvaluator computes")
        found = optuna.importance.get_param_importances(
            study.optuna,
            evaluator=optuna.importance.PedAnovaImportanceEvaluator(),
            params=shared,
            target=lambda trial: sign * trial.values[0],
        )
    return sorted(found.items(), key=lambda pair: -pair[1])


def _axis(study: Study, name: str, done: list[FrozenTrial]) -> charts.Axis:
    parameter = study.space.parameters[name]
    values = [trial.params.get(name) for trial in done]
    has = [name in trial.params for trial in done]
    if isinstance(parameter, ChoiceParameter):
        choices = list(parameter.choices)
        step = 1 / (len(choices) - 1)
        ticks = [(i * step, str(choice)) for i, choice in enumerate(choices)]
        places = [choices.index(v) * step if h else None for v, h in zip(values, has, strict=True)]
        return charts.Axis(name, "", "", places, ticks)
    low, high = float(parameter.low), float(parameter.high)  # type: ignore[attr-defined]
    log = bool(getattr(parameter, "log", False))

    def scaled(value: Any) -> float:
        if log:
            return math.log(value / low) / math.log(high / low)
        return (float(value) - low) / (high - low)

    shown = [scaled(v) if h else None for v, h in zip(values, has, strict=True)]
    return charts.Axis(name, f"{low:g}", f"{high:g}", shown)


def _trials(study: Study) -> Html:
    names = list(study.space.parameters)
    rows = [
        (
            str(trial.number),
            STATE_WORDS[trial.state],
            str(trial.user_attrs.get("epochs", MISSING)),
            duration(trial.user_attrs.get("seconds")),
            ", ".join(map(shortly, trial.values))
            if trial.state is TrialState.COMPLETE
            else trial.user_attrs.get("reason", ""),
            *(shortly(trial.params.get(name, MISSING)) for name in names),
        )
        for trial in study.trials(*STATE_WORDS)
    ]
    objectives = ", ".join(one.text for one in study.goal.objectives)
    headers = ("trial", "state", "epochs", "time", objectives, *names)
    return section(
        "Everything",
        table("All trials", headers, rows),
        details("Resolved search", tag("pre", text(to_yaml(study.search)))),
    )


def _figure(
    draw: Callable[[Axes], None], title: str, width: float = 3.75, height: float = 2.6
) -> Html:
    svg = charts.drawn(draw, width, height)
    return image(svg.encode("utf-8", "replace"), "image/svg+xml", title, title)
