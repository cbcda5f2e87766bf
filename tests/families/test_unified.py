"""From the stage of teachers to the joint one, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mtl.config.load import load, load_text, to_yaml
from mtl.config.schema import RunConfig
from mtl.config.unified_run import UnifiedRunConfig
from mtl.errors import CheckpointError, ConfigError, DataError
from mtl.families import family_of
from mtl.families.unified import UnifiedFamily
from mtl.models.build import build_model
from mtl.models.model_file import save_model
from mtl.tasks.unified import UnifiedTask
from mtl.training.run_folder import RunFolder
from tests.training.unified_runs import config_of

CPU = torch.device("cpu")


def prepared(tmp_path: Path, *words: str) -> UnifiedRunConfig:
    return UnifiedFamily(config_of(f"storage={tmp_path}", "name=run", *words)).prepared()


def saved(folder: Path, config: RunConfig, names: dict[str, tuple[str, ...]] | None = None) -> Path:
    """A run folder with fresh weights, and what its outputs are called."""
    folder.mkdir(parents=True)
    classes = names or {} if isinstance(config, UnifiedRunConfig) else None
    weights = build_model(config).state_dict()
    save_model(folder / "model.safetensors", weights, config, {}, classes=classes)
    return folder


def test_teachers_are_runs_in_the_folder_of_the_run_they_teach(tmp_path: Path) -> None:
    config = prepared(tmp_path)
    teachers = family_of(config).first()
    assert [t.train_type for t in teachers] == ["det", "seg", "cls"]
    for teacher in teachers:
        place = f"{tmp_path}/run/teachers/{teacher.name}"
        assert RunFolder(teacher.storage, str(teacher.name)).path == place
        assert config.teachers.path(teacher.train_type) == place
        assert teacher.tasks == (teacher.train_type,)
        assert list(teacher.running_stages) == ["teachers"]
        assert (teacher.training.batch_size, teacher.training.accumulate) == (4, 1)
        assert teacher.model == config.model
        assert family_of(teacher).first() == []
        assert not teacher.taught
        assert load_text(to_yaml(teacher), "saved") == teacher  # a config like any other


@pytest.mark.parametrize(
    ("metric", "watched"),
    [
        ("score", ["score", "score", "score"]),
        ("map", ["map", "score", "score"]),
        ("loss/segmentation", ["score", "loss/segmentation", "score"]),
        ("loss/total", ["loss/total", "loss/total", "loss/total"]),
    ],
)
def test_a_teacher_watches_its_score_where_the_metric_is_of_another_task(
    metric: str, watched: list[str], tmp_path: Path
) -> None:
    config = prepared(tmp_path, f"checkpoint.metric={metric}")
    assert config.checkpoint.metric == metric
    teachers = family_of(config).first()
    assert [teacher.checkpoint.metric for teacher in teachers] == watched
    for teacher in teachers:
        assert teacher.checkpoint.keep == config.checkpoint.keep
        assert family_of(teacher).prepared() == teacher


def test_a_metric_that_is_never_reported_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        prepared(tmp_path, "checkpoint.metric=mAP")
    assert str(caught.value) == (
        "checkpoint.metric: no task of this unified run reports 'mAP' after each epoch; it reports "
        "score, map, map_50, map_75, miou, miou_merged, top1, loss/total, "
        "loss/detection, loss/segmentation, loss/classification."
    )
    with pytest.raises(ConfigError, match="reports 'map' after each epoch; it reports score, miou"):
        prepared(tmp_path, "train_type=seg", "checkpoint.metric=map")


def test_a_run_that_evaluates_no_split_has_no_pictures(tmp_path: Path) -> None:
    config = prepared(tmp_path, "evaluation.splits=[]")
    assert UnifiedFamily(config).pictures(tmp_path) == []


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    config = prepared(tmp_path)
    assert UnifiedFamily(config).prepared() == config


def test_a_teacher_that_is_given_is_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = prepared(tmp_path)
    place = saved(tmp_path / "mine", family_of(config).first()[1])
    monkeypatch.chdir(tmp_path)
    config = prepared(tmp_path, "teachers.seg=mine")
    assert config.teachers.seg == str(place)  # workers start elsewhere
    assert [run.train_type for run in family_of(config).first()] == ["det", "cls"]


def test_a_teacher_of_classes_in_another_order_is_refused_in_one_sentence(tmp_path: Path) -> None:
    teacher = family_of(prepared(tmp_path)).first()[0]
    learned = UnifiedFamily(prepared(tmp_path)).indices().train.class_names["det"]
    right = saved(tmp_path / "right", teacher, {"det": learned})
    UnifiedFamily(prepared(tmp_path, f"teachers.det={right}")).indices()
    place = saved(tmp_path / "wrong", teacher, {"det": learned[::-1]})
    config = prepared(tmp_path, f"teachers.det={place}")
    with pytest.raises(DataError) as caught:
        UnifiedFamily(config).indices()
    assert str(caught.value) == (
        f"class 0 of the det data must be '{learned[-1]}' as for teachers.det={place}, got "
        f"'{learned[0]}'; give data with the same classes in the same order."
    )


def test_joint_training_begins_with_what_the_teachers_left(tmp_path: Path) -> None:
    config = prepared(tmp_path)
    family = UnifiedFamily(config)
    for teacher in family.first():
        saved(Path(str(config.teachers.path(teacher.train_type))), teacher)
    task = family.task(family.indices(), CPU)
    assert isinstance(task, UnifiedTask)
    assert task._lessons is not None
    assert task._lessons.teachers.tasks == ("det", "seg", "cls")


def test_a_teacher_may_have_begun_otherwise(tmp_path: Path) -> None:
    place = saved(tmp_path / "teacher", config_of("model.initial_confidence=0.2"))
    assert prepared(tmp_path, f"teachers.det={place}").teachers.det == str(place)


@pytest.mark.parametrize(
    "word",
    [
        "model.boxes.nms_iou=0.7", "model.boxes.voting_iou=0.4", "model.boxes.nms=class_agnostic",
        "model.boxes.threshold=0.1", "model.boxes.max_boxes=7", "model.boxes.class_score=softmax",
        "model.segmentation_output=fixed", "model.segmentation_size=64",
        "model.backbone.drop_path=0.3", "model.head.dropout=0.5",
    ],
)  # fmt: skip
def test_a_teacher_may_differ_in_what_changes_no_weight_and_no_raw_map(
    word: str, tmp_path: Path
) -> None:
    theirs, mine = config_of(word), config_of()
    place = saved(tmp_path / "teacher", theirs)
    assert prepared(tmp_path, f"teachers.det={place}").teachers.det == str(place)
    torch.manual_seed(0)
    other, same = build_model(theirs).eval(), build_model(mine).eval()
    same.load_state_dict(other.state_dict())
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        maps = [model({"det": images})["det"] for model in (other, same)]
    for one, two in zip(*maps, strict=True):
        assert torch.equal(one, two)


def teacher_elsewhere(tmp_path: Path, *words: str, preset: str = "unified_demo") -> str:
    config = config_of(*words) if preset == "unified_demo" else load(preset, words)
    return str(saved(tmp_path / "teacher", config))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.neck_width=32"], "the same network as the student: model.neck_width is 32 there"),
        (["model.num_det_classes=5"], "model.num_det_classes is 5 there and 4 here"),
        (["model.backbone.features=stride_32"], "model.backbone is {'name': 'test_efficientnet'"),
        (
            ["model.boxes.center_span=2.5"],
            "model.boxes is {'center_span': 2.5} there and {'center_span': 2.0} here",
        ),
        (["model.pooling.kind=threshold"], "model.pooling is {'kind': 'threshold'"),
        (["train_type=cls"], "must have learned det, but it was trained with train_type=cls"),
    ],
)
def test_a_teacher_of_another_kind_is_refused_in_one_sentence(
    words: list[str], message: str, tmp_path: Path
) -> None:
    place = teacher_elsewhere(tmp_path, *words)
    with pytest.raises(CheckpointError) as caught:
        prepared(tmp_path, f"teachers.det={place}")
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"teachers.det={place} must ")
    assert "\n" not in str(caught.value)


def test_a_tracker_cannot_teach(tmp_path: Path) -> None:
    place = teacher_elsewhere(tmp_path, preset="demo")
    with pytest.raises(CheckpointError, match="must be a unified model, got a hiptrack"):
        prepared(tmp_path, f"teachers.det={place}")


def test_a_joint_run_without_data_of_a_task_cannot_teach_it(tmp_path: Path) -> None:
    roots = [f"data.{task}_root={tmp_path}" for task in ("det", "seg")]
    place = saved(tmp_path / "mine", config_of("train_type=all", *roots))
    prepared(tmp_path, f"teachers.det={place}")
    with pytest.raises(CheckpointError, match=r"learned cls, .* on data of det, seg"):
        prepared(tmp_path, f"teachers.cls={place}")


def test_a_method_of_retention_is_refused_where_it_does_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^retention\.method=ewc is of .*train_type=sequential"):
        prepared(tmp_path, "retention.method=ewc")


def test_a_missing_teacher_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"{tmp_path}/nowhere/model.safetensors cannot be"):
        prepared(tmp_path, f"teachers.det={tmp_path}/nowhere")


def test_a_backbone_from_nothing_has_no_statistics_to_keep(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        prepared(tmp_path, "model.normalization=frozen_backbone")
    assert str(caught.value).startswith("model.normalization=frozen_backbone keeps the statistics")
    assert str(caught.value).endswith("set model.normalization=per_task to train from nothing.")


def test_teachers_that_nobody_trains_are_asked_for(tmp_path: Path) -> None:
    config = config_of(f"storage={tmp_path}", "name=run", "stages.teachers.epochs=0")
    with pytest.raises(ConfigError) as caught:
        UnifiedFamily(config).prepared()
    assert str(caught.value) == (
        "the run needs a teacher of det: give teachers.det=PATH of one, stages.teachers.epochs=N "
        "to train it, or loss.distillation.weight=0 to do without."
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.num_det_classes=5"], "model.num_det_classes must be 4, as many as the det set"),
        (["model.num_seg_classes=5"], "model.num_seg_classes must be 4, as many as the seg set"),
        (["model.background=merged"], "must be 3, as many as the seg set has classes without"),
        (["model.num_cls_classes=2"], "model.num_cls_classes must be 4, as many as the cls set"),
        (
            ["training.batch_size=16", "training.samples_per_epoch=16"],
            "training.batch_size 16 is larger than the 12 training images of det",
        ),
        (
            ["teachers.batch_size=16", "training.samples_per_epoch=16"],
            "teachers.batch_size 16 is larger than the 12 training images of det",
        ),
    ],
)
def test_a_model_or_batch_that_does_not_fit_the_data_is_refused(
    words: list[str], message: str, tmp_path: Path
) -> None:
    config = prepared(tmp_path, *words)
    with pytest.raises(ConfigError) as caught:
        UnifiedFamily(config).indices()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
