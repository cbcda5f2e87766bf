from __future__ import annotations

import pytest

from mtl.errors import ConfigError
from tune.check import Goal, check
from tune.load import base_run, load, preset_names
from tune.space import Space


def checked(preset: str, *words: str) -> Goal:
    search = load(preset, words)
    return check(search, Space(search.space, base_run(search)))


@pytest.mark.parametrize("preset", preset_names())
def test_a_shipped_search_fits_its_run(preset: str) -> None:
    assert checked(preset).objectives


@pytest.mark.parametrize("run", ["hiptrack", "simtrack", "simtrack_small"])
def test_the_tracker_search_fits_every_tracker(run: str) -> None:
    assert checked("tracker", f"run.preset={run}").watched == "iou"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["space.x={kind: float, path: loss.cls_wieght, low: 0.1, high: 1}"],
            "unknown key 'loss.cls_wieght' in the trial's config; did you mean 'loss.cls_weight'?",
        ),
        (["space.giou.low=5"], "space.giou: low must be below high, got 5 and 5"),
        (["space.cls_weight.low=0"], "log=true needs low above 0, got 0"),
        (
            ["space.x={kind: float, path: training.batch_size, low: 8, high: 16}"],
            "space.x with value 8.0: 'training.batch_size' in the trial's config",
        ),
        (["space.giou.low=-1"], "'loss.giou' in the trial's config"),
        (["space.giou.low=little"], "'space.giou.low' in the command line"),
        (["space.giou.kind=real"], "'space.giou.kind' in search preset 'demo' must be one of"),
        (["space.giou.hihg=2"], "unknown key 'space.giou.hihg'"),
        (
            ["space.x={kind: choice, path: mode, choices: [mtl_hard]}"],
            "choices must be at least two",
        ),
        (
            ["space.x={kind: choice, path: mode, choices: [mtl_hard, mtl_sotf]}"],
            "space.x with value mtl_sotf: 'mode' in the trial's config",
        ),
        (
            ["space.x={kind: int, path: stages.full.epochs, low: 1, high: 5}"],
            "stages.full.epochs would give trials different lengths; use kind: stage_share",
        ),
        (
            ["space.x={kind: int, path: training.samples_per_epoch, low: 64, high: 256}"],
            "training.samples_per_epoch must be equal in all trials",
        ),
        (
            ["space.x={kind: choice, path: training, choices: {a: {}, b: {val_samples: 9}}}"],
            "space.x: training.samples_per_epoch must be equal in all trials, but one",
        ),
        (
            [
                "space.m={kind: choice, path: mode, choices: [mtl_hard, mtl_soft]}",
                "space.x={kind: float, path: loss.l1, low: 1, high: 9, when: {m: mtl_hrad}}",
            ],
            "space.x.when.m: 'mtl_hrad' is none of its choices",
        ),
        (
            ["space.x={kind: float, path: loss.l1, low: 1, high: 9, when: {head_width: 9999}}"],
            "space.x.when.head_width: 9999 is not in its range",
        ),
        (
            ["space.x={kind: float, path: loss.l1, low: 1, high: 9, when: {dropout: high}}"],
            "space.x.when.dropout: 'high' is not in its range",
        ),
        (
            [
                "space.x={kind: float, path: loss.l1, low: 1, high: 9, "
                "when: {head_width: [64, 9.5]}}"
            ],
            "space.x.when.head_width: 9.5 is not in its range",
        ),
        (
            ["space.x={kind: float, path: loss.giou, low: 1, high: 3}"],
            "space.giou and space.x both decide loss.giou; leave one out",
        ),
        (
            ["space.x={kind: stage_share, stages: [full, head], low: 0.5, high: 1.0}"],
            "space.head_share and space.x both decide stages.head.epochs",
        ),
        (
            [
                "space.m={kind: choice, path: mode, choices: [mtl_hard, mtl_film]}",
                "space.f={kind: choice, path: head.fusion, choices: [null, residual]}",
            ],
            "add a when:",
        ),
        (["objectives=[{value: mota}]"], "no task of the run reports 'mota'; it reports iou,"),
        (["halving.metric=ao"], "no task of this hiptrack run reports 'ao' after each epoch"),
        (["halving.metric=miou"], "no task of this hiptrack run reports 'miou'"),
        (["run.checkpoint.metric=mAP"], "checkpoint.metric: no task of this hiptrack run reports"),
        (
            [
                "space.m={kind: choice, path: mode, choices: [mtl_hard, finetune_bbox]}",
                "objectives=[{value: accuracy}]",
            ],
            "reports 'accuracy'",
        ),
        (
            ["space.x={kind: float, path: augmentation.center_jitter, low: 0, high: 2}"],
            "objective 'iou': 'iou' is another measure with augmentation.center_jitter=0.0 than",
        ),
        (
            [
                "space.x={kind: float, path: augmentation.scale_jitter, low: 0, high: 1}",
                "objectives=[{value: ao}]",
            ],
            "halving.metric: 'iou' is another measure with augmentation.scale_jitter=0.0 than",
        ),
        (
            ["objectives=[{value: loss/total, direction: minimize}]"],
            "objective 'loss/total': 'loss/total' is another measure with loss.",
        ),
        (
            [
                "space.x={kind: choice, path: mode, choices: [mtl_hard, mtl_soft]}",
                "objectives=[{value: loss/classification, direction: minimize}]",
            ],
            "'loss/classification' is another measure with mode=mtl_soft than with mtl_hard",
        ),
        (["halving.rungs=[0.5, 0.5]"], "rungs must rise"),
        (["halving.rungs=[0.5, 0.55, 0.9]"], "they must be different ones before the last"),
        (["objectives=[{value: ao}, {value: accuracy}]"], "set scheduler=none"),
        (["run.training.val_samples=0"], "a search needs validation"),
        (["run.name=x"], "run.name is the search's own"),
        (["run.preset=dmeo"], "did you mean 'demo'?"),
        (["space={}"], "'space'"),
    ],
)
def test_a_wrong_search_is_refused_with_one_sentence(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        checked("demo", *words)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "path",
    [
        *("seed", "training.val_samples", "evaluation.max_sequences", "checkpoint.metric"),
        *("diagnostics.gradients_every", "data.synthetic.val_sequences", "data.min_frames"),
    ],
)
def test_what_trials_are_compared_by_cannot_be_searched(path: str) -> None:
    with pytest.raises(ConfigError, match=f"{path} must be equal in all trials; set run.{path}"):
        checked("demo", f"space.x={{kind: int, path: {path}, low: 1, high: 90}}")


@pytest.mark.parametrize(
    ("preset", "parameter"),
    [
        ("demo", "kind: choice, path: data.weighted_sampling, choices: [true, false]"),
        ("demo", "kind: int, path: data.synthetic.train_sequences, low: 20, high: 60"),
        ("unified_demo", "kind: int, path: data.synthetic.train_images, low: 60, high: 240"),
        ("unified_demo", "kind: choice, path: data.sizes.det, choices: [96, 128]"),
    ],
)
def test_what_only_training_sees_can_be_searched(preset: str, parameter: str) -> None:
    assert checked(preset, f"space.x={{{parameter}}}").objectives


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        (
            "demo",
            [
                "space.x={kind: float, path: augmentation.scale_jitter, low: 0, high: 1}",
                *("objectives=[{value: ao}]", "scheduler=none"),
            ],
        ),
        ("demo", ["space.x={kind: float, path: augmentation.brightness, low: 0, high: 1}"]),
        ("demo", ["objectives=[{value: loss/l1, direction: minimize}]"]),
        (
            "unified_demo",
            [
                "space.x={kind: choice, path: augmentation.cls.min_area, choices: [0.3, 0.5]}",
                "objectives=[{value: top1}]",
            ],
        ),
    ],
)
def test_what_leaves_a_measure_as_it_is_can_be_searched(preset: str, words: list[str]) -> None:
    assert checked(preset, *words).objectives


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["objectives=[{value: loss/total, direction: minimize}]"],
            "with loss.distillation.weight=0.1 than with 1.0, so it cannot compare trials; leave "
            "loss.distillation.weight out of space, or name a metric of one task",
        ),
        (
            [
                "space.x={kind: float, path: loss.detection.box_weight, low: 1, high: 3}",
                "objectives=[{value: loss/detection, direction: minimize}]",
            ],
            "'loss/detection' is another measure with loss.detection.box_weight=",
        ),
    ],
)
def test_a_unified_metric_of_another_meaning_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        checked("unified_demo", *words)
    assert message in str(error.value)


def test_parameters_of_one_key_may_take_turns() -> None:
    where = "kind: float, path: loss.l1, low: 1"
    words = ["space.m={kind: choice, path: mode, choices: [mtl_hard, mtl_soft]}"]
    words += [f"space.a={{{where}, high: 9, when: {{m: mtl_hard}}}}"]
    words += [f"space.b={{{where}, high: 5, when: {{m: mtl_soft}}}}"]
    assert checked("demo", *words).objectives


def test_a_first_rung_inside_a_frozen_stage_is_refused() -> None:
    words = ["run.preset=hiptrack", "halving.rungs=[0.3, 0.8]"]
    with pytest.raises(ConfigError, match="where 'iou' cannot change; raise it above"):
        checked("tracker", *words)


def test_a_first_rung_inside_a_frozen_stage_may_compare_what_that_stage_moves() -> None:
    words = [
        "run.preset=hiptrack",
        "halving.rungs=[0.3, 0.8]",
        "halving.metric=accuracy",
    ]
    modes = "[mtl_hard, mtl_soft]"
    words.append(f"space.mode.choices={modes}")
    for name in ("fusion", "cls_weight", "head_width", "dropout"):
        words.append(f"space.{name}.when.mode={modes}")
    assert checked("tracker", *words).watched == "accuracy"


def test_a_first_rung_within_the_greatest_share_of_teachers_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"until epoch 165, .* raise it above 0\.55"):
        checked("unified", "halving.rungs=[0.55]")
    assert checked("unified", "halving.rungs=[0.56]").watched == "score"


def test_a_search_of_a_phase_compares_what_that_phase_watches() -> None:
    rate = "{kind: float, path: stages.teachers.learning_rate, low: 1.0e-3, high: 1.0e-2}"
    words = [f"space={{rate: {rate}}}", "run.train_type=sequential", "run.checkpoint.metric=map"]
    words += ["objectives=[{value: 2 * top1}]", "halving.rungs=[0.9]"]
    for scheduler in ("asha", "none"):
        assert checked("unified_demo", *words, f"scheduler={scheduler}").watched == "score"


def test_an_unknown_search_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'tracker'"):
        load("traker")
