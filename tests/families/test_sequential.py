"""Learning one task after another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mtl.config.load import load
from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName
from mtl.errors import CheckpointError, ConfigError, DataError
from mtl.families import family_of
from mtl.families.sequential import SequentialFamily
from mtl.models.build import build_model
from mtl.models.model_file import open_model, save_model
from mtl.tasks.reported import watched_metric
from mtl.training.state import TrainingState
from tests.families.phases import SMALL, Keeper, StoppedError, run_of, small, trained

TWO = "retention.order=[seg, det]"
PLAIN = [TWO, "loss.distillation.separate_passes=false"]


def same(one: TrainingState, other: TrainingState) -> bool:
    return all(torch.equal(x, other.model[name]) for name, x in one.model.items())


def test_the_run_of_three_tasks_needs_that_of_two_and_it_a_teacher(tmp_path: Path) -> None:
    config = small(tmp_path)
    family = SequentialFamily(config)
    (before,) = family.first()
    assert before.retention.order == ("seg", "det")
    assert family_of(before).prepared() == before
    (teacher,) = family_of(before).first()
    assert (teacher.train_type, teacher.tasks) == ("seg", ("seg",))
    assert family.places() == [
        f"{tmp_path}/run/before/seg-det/teachers/seg", f"{tmp_path}/run/before/seg-det",
    ]  # fmt: skip
    assert family.prepared() == config


def test_each_phase_watches_the_metric_if_its_task_has_it_and_else_its_score(
    tmp_path: Path,
) -> None:
    config = small(tmp_path, "checkpoint.metric=map_50")  # learns seg, det, cls
    (before,) = family_of(config).first()
    (teacher,) = family_of(before).first()
    phases = [teacher, before, config]
    assert [watched_metric(phase) for phase in phases] == ["score", "map_50", "score"]
    for phase in phases:
        assert family_of(phase).prepared() == phase
    config = small(tmp_path, "checkpoint.metric=top1")
    (before,) = family_of(config).first()
    assert [watched_metric(phase) for phase in (before, config)] == ["score", "top1"]
    assert family_of(before).prepared() == before


def test_a_metric_of_a_task_that_is_not_learned_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^checkpoint\.metric: .* reports 'top1' after each"):
        small(tmp_path, TWO, "checkpoint.metric=top1")


def saved(
    folder: Path, *words: str, classes: dict[UnifiedTaskName, tuple[str, ...]] | None = None
) -> Path:
    """A run folder with fresh weights, and what its outputs are called."""
    config = load("unified_demo", [*SMALL, *words])
    folder.mkdir(parents=True)
    weights = build_model(config).state_dict()
    save_model(folder / "model.safetensors", weights, config, {}, classes=classes or {})
    return folder


def test_a_teacher_that_is_given_is_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = saved(tmp_path / "mine", "train_type=seg")
    monkeypatch.chdir(tmp_path)
    config = small(tmp_path, TWO, "teachers.seg=mine")
    assert family_of(config).first() == []
    assert SequentialFamily(config).places() == [str(place)]  # workers start elsewhere
    config = small(tmp_path, "teachers.seg=mine")
    (before,) = family_of(config).first()
    assert family_of(before).first() == []
    assert SequentialFamily(config).places() == [str(place), f"{tmp_path}/run/before/seg-det"]


def test_a_phase_starts_from_the_weights_before_it(tmp_path: Path) -> None:
    config = small(tmp_path, TWO)
    trained(config)
    run = run_of(config, Keeper(tmp_path / "again"), TrainingState())
    before, _ = open_model(tmp_path / "run" / "teachers" / "seg")
    for name, tensor in before.state_dict().items():
        assert torch.equal(run.model.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    "words", [("lwf", "retention.lwf_weight=0"), ("ewc", "retention.ewc_weight=0")], ids=" ".join
)
def test_a_method_without_weight_is_none(tmp_path: Path, words: tuple[str, str]) -> None:
    method, weight = words
    teacher = f"teachers.seg={tmp_path}/run/teachers/seg"
    plain = trained(small(tmp_path, *PLAIN))
    zero = trained(small(tmp_path, *PLAIN, f"retention.method={method}", weight, teacher, "name=b"))
    assert same(plain, zero)


@pytest.mark.parametrize("method", ["replay", "ewc", "lwf"])
def test_a_method_changes_what_is_learned(tmp_path: Path, method: str) -> None:
    plain = trained(small(tmp_path, *PLAIN))
    teacher = f"teachers.seg={tmp_path}/run/teachers/seg"
    other = trained(small(tmp_path, *PLAIN, f"retention.method={method}", teacher, "name=b"))
    assert not same(plain, other)


@pytest.mark.parametrize("method", ["none", "replay", "ewc", "lwf"])
def test_a_phase_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path, method: str) -> None:
    words = (f"retention.method={method}", "retention.order=[seg, cls, det]")
    straight = trained(small(tmp_path / "a", *words))
    config = small(tmp_path / "b", *words)
    with pytest.raises(StoppedError):
        trained(config, stop_after=3)
    state = Keeper(tmp_path / "b" / "run").last()
    assert state.step == 3
    assert same(straight, trained(config, state=state))


def test_replay_trains_all_tasks_and_the_memory_of_the_earlier(tmp_path: Path) -> None:
    config = small(tmp_path, TWO, "retention.method=replay")
    state = trained(config)
    family = SequentialFamily(config)
    sampler = family.sampler(family.indices().train, training=True)
    shown = {task: {sampler.row(task, n) for n in range(12)} for task in ("seg", "det")}
    assert {task: len(rows) for task, rows in shown.items()} == {"seg": 2, "det": 6}
    assert {"loss/detection", "loss/segmentation"} <= state.history[-1].keys()


def test_lwf_asks_the_model_before_about_new_images(tmp_path: Path) -> None:
    config = small(tmp_path, "retention.method=lwf", "retention.order=[seg, cls, det]")
    state = trained(config)
    assert state.history[-1]["loss/distillation_det"] > 0
    assert "loss/segmentation" not in state.history[-1]
    run = run_of(config, Keeper(tmp_path / "again"), TrainingState())
    (batch,) = run.batches.training(0, 1)
    asked = run.task._lessons
    assert dict(asked.asked) == {"det": ("seg", "cls")}
    images = run.task._images(batch, "det")
    before, _ = open_model(tmp_path / "run" / "before" / "seg-cls")
    said = asked.teachers.answers(("seg", "cls"), "det", images, batch["det_index"])
    with torch.no_grad():
        seg, cls = before({"seg": images})["seg"], before({"cls": images})["cls"]
    torch.testing.assert_close(said["seg"].seg_raw, seg.seg_raw)
    torch.testing.assert_close(said["cls"].cls_raw, cls.cls_raw)


@pytest.mark.parametrize(("method", "moved"), [("none", {"det"}), ("lwf", {"seg", "det"})])
def test_lwf_moves_the_statistics_of_earlier_tasks_on_with_the_weights(
    tmp_path: Path, method: str, moved: set[str]
) -> None:
    state = trained(small(tmp_path, *PLAIN, f"retention.method={method}"))
    before, _ = open_model(tmp_path / "run" / "teachers" / "seg")
    means = {n: x for n, x in before.state_dict().items() if n.endswith("running_mean")}
    assert means
    rows = {
        task
        for row, task in enumerate(UNIFIED_TASKS)
        if any(not torch.equal(x[row], state.model[name][row]) for name, x in means.items())
    }
    assert rows == moved


def test_shared_statistics_need_no_second_look(tmp_path: Path) -> None:
    config = small(tmp_path, *PLAIN, "retention.method=lwf", "model.normalization=shared")
    trained(config)
    task = run_of(config, Keeper(tmp_path / "again"), TrainingState()).task
    assert task._looked_at_again({"det": torch.zeros(2, 3, 64, 64)}, task._lessons) == {}


def test_importance_is_measured_once_and_kept(tmp_path: Path) -> None:
    config = small(tmp_path, TWO, "retention.method=ewc")
    state = trained(config)
    assert state.history[0]["loss/consolidation"] >= 0
    file = tmp_path / "run" / "importance" / "seg.safetensors"
    written = file.read_bytes()
    trained(config)
    assert file.read_bytes() == written
    trained(small(tmp_path, TWO, "retention.method=ewc", "retention.fisher_images=2"))
    assert file.read_bytes() != written  # that was of three images
    file.write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match=r"seg\.safetensors cannot be read .*; delete it"):
        trained(config)


def test_a_memory_must_not_be_larger_than_its_task(tmp_path: Path) -> None:
    words = ("retention.method=replay", "retention.memory_images=7")
    with pytest.raises(ConfigError, match=r"retention\.memory_images must be at most 6, .*got 7"):
        family_of(small(tmp_path, *words)).indices()
    words = ("retention.method=ewc", "retention.fisher_images=9")
    with pytest.raises(ConfigError, match=r"retention\.fisher_images must be at most 6, .*got 9"):
        family_of(small(tmp_path, *words)).indices()


@pytest.mark.parametrize("order", ["[seg, det]", "[seg, det, cls]"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.neck_width=32"], r"the same network .*model\.neck_width is 32 there and 16 here"),
        (["train_type=det"], "must have learned seg, but it was trained with train_type=det"),
        (["retention.order=[cls, det]"], "learned seg, but .* with train_type=sequential"),
    ],
)
def test_a_teacher_that_cannot_be_started_from_is_refused_at_once(
    order: str, words: list[str], message: str, tmp_path: Path
) -> None:
    place = saved(tmp_path / "mine", *words)
    with pytest.raises(CheckpointError, match=rf"^teachers\.seg=.*{message}"):
        small(tmp_path, f"retention.order={order}", f"teachers.seg={place}")


def test_a_model_that_knows_more_tasks_may_have_learned_the_first(tmp_path: Path) -> None:
    place = saved(tmp_path / "mine", "train_type=all")
    assert family_of(small(tmp_path, TWO, f"teachers.seg={place}")).first() == []


def test_a_teacher_of_classes_in_another_order_is_refused(tmp_path: Path) -> None:
    names = family_of(small(tmp_path)).indices().train.class_names["seg"]
    place = saved(tmp_path / "mine", "train_type=seg", classes={"seg": names[::-1]})
    for order in (TWO, "retention.order=[seg, det, cls]"):
        with pytest.raises(DataError, match=rf"the seg data must be .* teachers\.seg={place}"):
            family_of(small(tmp_path, order, f"teachers.seg={place}")).indices()
    place = saved(tmp_path / "right", "train_type=seg", classes={"seg": names})
    family_of(small(tmp_path, f"teachers.seg={place}")).indices()


def test_a_backbone_from_nothing_has_no_statistics_to_keep(tmp_path: Path) -> None:
    words = (TWO, "model.normalization=frozen_backbone")
    with pytest.raises(ConfigError, match=r"^model\.normalization=frozen_backbone keeps"):
        small(tmp_path, *words)
    place = saved(tmp_path / "mine", "train_type=seg", "model.normalization=frozen_backbone")
    small(tmp_path, *words, f"teachers.seg={place}")  # brings them


def test_a_phase_before_that_is_another_network_is_named(tmp_path: Path) -> None:
    config = small(tmp_path)
    saved(tmp_path / "run" / "before" / "seg-det", "model.neck_width=32")
    with pytest.raises(CheckpointError, match=r"^the run .*/before/seg-det must .*; delete it to"):
        family_of(config).start(build_model(config))


def test_a_batch_must_fit_the_task_that_is_new_in_each_phase(tmp_path: Path) -> None:
    place = saved(tmp_path / "mine", "train_type=seg")
    words = ("training.samples_per_epoch=8",)
    with pytest.raises(ConfigError, match=r"training\.batch_size 8 .* 6 training images of det"):
        family_of(small(tmp_path, *words, "training.batch_size=8")).indices()
    with pytest.raises(ConfigError, match=r"teachers\.batch_size 8 .* 6 training images of seg"):
        family_of(small(tmp_path, *words, "teachers.batch_size=8")).indices()
    given = (*words, "teachers.batch_size=8", f"teachers.seg={place}")
    assert family_of(small(tmp_path, *given)).indices().train.lengths["seg"] == 6


def test_validation_sees_the_new_task_only_and_evaluation_all(tmp_path: Path) -> None:
    config = small(tmp_path, "retention.method=replay")
    family = SequentialFamily(config)
    (index,) = family.indices().final.values()
    assert family.sampler(index, training=False).tasks == ("cls",)
    model = build_model(config)
    found = family.evaluate_share(model, index, torch.device("cpu"), 0, 1, tmp_path / "out")
    metrics = family.summarize(index, "val", found, tmp_path / "out")
    assert {"map", "miou", "top1"} <= metrics.keys()


def test_importance_is_not_averaged_over_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process may find the file that another measured, and would leave it waiting."""

    def asked(count: torch.Tensor) -> torch.Tensor:
        raise AssertionError("a process waits for the others")

    config = small(tmp_path, TWO, "retention.method=ewc")
    saved(tmp_path / "run" / "teachers" / "seg", "train_type=seg")
    monkeypatch.setattr("mtl.tasks.unified.mean_count", asked)
    family = family_of(config)
    family.task(family.indices(), torch.device("cpu"))
    assert (tmp_path / "run" / "importance" / "seg.safetensors").is_file()
