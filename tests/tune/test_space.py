from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mtl.errors import ConfigError
from tune.budget import budget_of
from tune.space import Space

SpaceOf = Callable[..., Space]


def test_the_first_trial_has_the_values_of_the_run_itself(space_of: SpaceOf) -> None:
    space = space_of()
    assert space.run(space.own()) == space.base


def test_values_become_an_ordinary_run_config(space_of: SpaceOf) -> None:
    config = space_of().run({"cls_weight": 0.02, "head_width": 300})
    assert config.loss.cls_weight == 0.02  # type: ignore[attr-defined]
    assert config.head.hidden_width == 300  # type: ignore[attr-defined]


def test_a_share_moves_epochs_between_stages_and_keeps_their_sum(space_of: SpaceOf) -> None:
    space = space_of()
    for share, first in ((0.0, 0), (0.16, 1), (0.35, 2)):
        config = space.run({"head_share": share})
        assert config.stages["head"].epochs == first
        assert budget_of(config).total == 6


def test_a_mode_without_a_condition_head_gives_its_stage_to_the_other(space_of: SpaceOf) -> None:
    space = space_of("run.preset=hiptrack", preset="tracker")
    config = space.run({"mode": "finetune_bbox", "head_share": 0.5})
    assert config.stages["full"].epochs == 50
    assert budget_of(config).total == budget_of(space.base).total


def test_teachers_count_once_in_the_epochs_of_a_run(space_of: SpaceOf) -> None:
    space = space_of(preset="unified_demo")
    total = sum(stage.epochs for stage in space.base.stages.values())
    config = space.run({"teacher_share": 0.25})
    assert config.stages["teachers"].epochs == total // 4
    assert budget_of(config).total == total
    assert budget_of(config).last_stage == total // 4


def test_every_phase_before_the_last_counts_in_the_epochs_of_a_run(space_of: SpaceOf) -> None:
    words = ("run.train_type=sequential", "run.stages.teachers.epochs=3")
    budget = budget_of(space_of(*words, preset="unified_demo").base)
    assert (budget.before, budget.own, budget.total) == (6, 3, 9)


def test_a_parameter_exists_only_where_its_condition_holds(space_of: SpaceOf) -> None:
    space = space_of(preset="unified_demo")
    assert not space.exists("weight_floor", {"weighting": "dwa"})
    assert not space.exists("weight_floor", {})
    assert space.exists("weight_floor", {"weighting": "learnable"})
    config = space.run({"weighting": "learnable", "weight_floor": 0.2})
    assert config.weighting.floor == 0.2  # type: ignore[union-attr]


def test_conditions_come_before_what_depends_on_them(space_of: SpaceOf) -> None:
    words = [
        "space.a={kind: float, path: loss.giou, low: 1, high: 3, when: {b: true}}",
        "space.b={kind: choice, path: data.weighted_sampling, choices: [true, false]}",
    ]
    names = list(space_of(*words).parameters)
    assert names.index("b") < names.index("a")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["space.x={kind: float, path: loss.l1, low: 1, high: 9, when: {dropuot: 0.1}}"],
            "space.x.when: 'dropuot' is no parameter of the space; did you mean 'dropout'?",
        ),
        (
            [
                "space.x={kind: float, path: loss.l1, low: 1, high: 9, when: {y: 2}}",
                "space.y={kind: float, path: loss.location, low: 1, high: 9, when: {x: 2}}",
            ],
            "space.x.when depends on itself",
        ),
    ],
)
def test_a_condition_on_nothing_is_named(space_of: SpaceOf, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        space_of(*words)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run.loss.cls_weight=2"], "space.cls_weight: the run's own value 2 is not in 0.01 to 1;"),
        (["run.head.hidden_width=32"], "space.head_width: the run's own value 32 is not in"),
        (["run.stages.full.epochs=0"], "space.head_share: the run's own share 1 of 1 epochs"),
        (
            ["space.m={kind: choice, path: mode, choices: [mtl_soft, mtl_film]}"],
            "space.m: the run's own value 'mtl_hard' is none of the choices",
        ),
        (
            ["space.m={kind: float, path: mode, low: 0, high: 1}"],
            "space.m: mode must be a number to be searched, the run has 'mtl_hard'",
        ),
        (["space.head_width.step=60"], "in 64 to 512 in steps of 60"),
    ],
)
def test_a_run_outside_of_the_space_is_named(
    space_of: SpaceOf, words: list[str], message: str
) -> None:
    if any("step" in word for word in words):
        words = [*words, "space.head_width.log=false"]
    with pytest.raises(ConfigError) as error:
        space_of(*words).own()
    assert message in str(error.value)


def test_weights_mean_the_same_to_every_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space_of: SpaceOf
) -> None:
    monkeypatch.chdir(tmp_path)
    start = "space.start={kind: choice, path: model.init, choices: [first, second]}"
    space = space_of("run.model.init=first", start)
    assert space.own()["start"] == "first"  # as it is written
    assert space.asked.model.init == "first"
    assert space.base.model.init == str(tmp_path / "first")
    monkeypatch.chdir("/")
    assert space.run({}).model.init == str(tmp_path / "first")
    monkeypatch.chdir(tmp_path)
    assert space.run({"start": "second"}).model.init == str(tmp_path / "second")


def test_teachers_mean_the_same_to_every_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space_of: SpaceOf
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run.teachers.det=det", "run.loss.distillation.weight=0"]
    space = space_of(*words, preset="unified_demo")
    monkeypatch.chdir("/")
    assert space.run({}).teachers.det == str(tmp_path / "det")  # type: ignore[attr-defined]
