from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.preflight import check_name, differences, require_places, with_gpus
from cluster.train import main, resolve
from mtl.config.load import load, to_yaml
from mtl.config.training import ClusterConfig
from mtl.doctor.weights import check_init
from mtl.errors import CheckpointError, ConfigError, ResourceError, RunExistsError
from mtl.models.build import build_model
from mtl.models.model_file import save_model
from mtl.training.run_folder import RunFolder


def started(tmp_path: Path, *words: str) -> RunFolder:
    config = load("demo", [f"storage={tmp_path}", "name=first", *words])
    folder = RunFolder(config.storage, "first")
    folder.write_text("config.yaml", to_yaml(config))
    return folder


def test_a_name_in_use_is_refused(tmp_path: Path) -> None:
    folder = started(tmp_path)
    config = load("demo", [f"storage={tmp_path}", "name=first"])
    with pytest.raises(RunExistsError, match=r"run 'first' exists .* give resume=true"):
        check_name(config, folder)


def test_resume_needs_a_run_of_that_name(tmp_path: Path) -> None:
    config = load("demo", [f"storage={tmp_path}", "name=none", "resume=true"])
    with pytest.raises(ConfigError, match="there is no run 'none'"):
        check_name(config, RunFolder(config.storage, "none"))


def test_resume_refuses_another_recipe_and_names_the_key(tmp_path: Path) -> None:
    folder = started(tmp_path)
    words = [f"storage={tmp_path}", "name=first", "resume=true", "loss.giou=3"]
    with pytest.raises(ConfigError, match=r"started with loss\.giou=2\.0, now it is 3\.0"):
        check_name(load("demo", words), folder)


def test_resume_may_change_where_and_how_it_runs(tmp_path: Path) -> None:
    folder = started(tmp_path)
    words = [f"storage={tmp_path}", "name=first", "resume=true", "cluster.workers=2"]
    more = ["training.log_every=1", "checkpoint.every_steps=7", "checkpoint.keep=1"]
    check_name(load("demo", [*words, *more]), folder)


def test_resume_refuses_another_metric_for_the_best_weights(tmp_path: Path) -> None:
    """The best value so far would be compared with values of something else."""
    folder = started(tmp_path)
    words = [f"storage={tmp_path}", "name=first", "resume=true", "checkpoint.metric=accuracy"]
    with pytest.raises(ConfigError, match=r"started with checkpoint\.metric=iou"):
        check_name(load("demo", words), folder)


def test_resume_by_name_alone_takes_the_saved_config(tmp_path: Path) -> None:
    started(tmp_path, "loss.giou=3", "seed=5")
    config = resolve([f"storage={tmp_path}", "name=first", "resume=true"])
    assert (config.loss.giou, config.seed, config.resume) == (3.0, 5, True)


def test_resume_without_a_name_says_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="needs name="):
        resolve(["resume=true"])


def test_a_run_without_a_name_is_called_after_preset_and_time() -> None:
    assert str(resolve([]).name).startswith("demo-20")
    assert str(resolve(["hiptrack"]).name).startswith("hiptrack-20")


@pytest.fixture
def first_run(tmp_path: Path) -> Path:
    """A run folder with weights of the demo's tracker."""
    config = load("demo", ["mode=finetune_bbox"])
    folder = tmp_path / "first"
    folder.mkdir()
    save_model(folder / "model.safetensors", build_model(config).state_dict(), config, {})
    return folder


@pytest.mark.parametrize("preset", ["demo", "unified_demo"])
def test_a_metric_that_no_task_reports_is_refused_before_a_worker_starts(preset: str) -> None:
    with pytest.raises(ConfigError, match=r"^checkpoint\.metric: no task .* reports 'mAP' after"):
        resolve([preset, "checkpoint.metric=mAP"])


def test_weights_to_start_from_are_named_absolutely(
    first_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(first_run.parent)
    config = resolve(["demo", "model.init=first"])
    assert config.model.init == str(first_run)
    check_init(config)


def test_weights_that_do_not_fit_are_refused_before_a_worker_starts(first_run: Path) -> None:
    config = load("demo", [f"model.init={first_run}", "model.search.size=128"])
    with pytest.raises(CheckpointError, match=r"set model\.search\.size=96"):
        check_init(config)
    check_init(load("demo", [f"model.init={first_run}", "mode=mtl_film"]))


def test_a_run_that_only_validates_needs_weights(first_run: Path) -> None:
    with pytest.raises(ConfigError, match=r"mode=pretrained .* give model\.init=PATH"):
        check_init(load("demo", ["mode=pretrained"]))
    check_init(load("demo", ["mode=pretrained", f"model.init={first_run}"]))


def test_a_resumed_run_does_not_need_its_first_weights_any_more() -> None:
    check_init(load("demo", ["model.init=/absent", "resume=true", "name=x"]))


def test_differences_name_whole_paths() -> None:
    old, new = load("demo"), load("demo", ["model.memory.capacity=9", "checkpoint.keep=5"])
    assert [key for key, _, _ in differences(old, new)] == ["model.memory.capacity"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nosuch"], "neither a preset nor a YAML file"),
        (["demo", "model.backbone.dept=3"], "did you mean 'model.backbone.depth'"),
        (["demo", "data.root=/no/such/folder"], "/no/such/folder"),
        (["demo", "oops"], "write section.key=value"),
        (["demo", "model.init=absent"], "absent does not exist"),
        (["demo", "model.init=s3://bucket/run"], "must be a path"),
        (["demo", "mode=pretrained"], "give model.init=PATH"),
    ],
)
def test_the_command_ends_with_one_sentence_and_status_1(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, f"storage={tmp_path}"]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_help_names_presets_and_common_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for word in ("demo", "hiptrack", "resume=true", "cluster.workers", "data.root"):
        assert word in text


APART = [{"CPU": 8.0, "GPU": 1.0}, {"CPU": 16.0}]
"""A node with the GPU, and one with most of the CPUs."""


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (
            {"cpus_per_worker": 12, "gpus_per_worker": 1},
            "1 worker with 12 CPU and 1 GPU each cannot be placed: each lies on one node, and the "
            "nodes of the cluster (1 with 8 CPU and 1 GPU, 1 with 16 CPU) hold 0; lower "
            "cluster.workers or cluster.cpus_per_worker or cluster.gpus_per_worker.",
        ),
        (
            {"workers": (3, 8), "cpus_per_worker": 8, "gpus_per_worker": 0.25},
            "hold 1; lower",
        ),
        ({"workers": 3, "cpus_per_worker": 9}, "3 workers with 9 CPU each need 27, the cluster"),
    ],
)
def test_workers_that_no_node_holds_are_refused_with_the_arithmetic(
    cluster: dict[str, Any], message: str
) -> None:
    with pytest.raises(ResourceError) as error:
        require_places(ClusterConfig(**cluster), APART)
    assert message in str(error.value)


def test_workers_that_fit_node_by_node_are_let_through() -> None:
    require_places(ClusterConfig(workers=3, cpus_per_worker=8), APART)
    require_places(ClusterConfig(workers=(1, 9), cpus_per_worker=8, gpus_per_worker=1), APART)


@pytest.mark.parametrize(
    ("nodes", "words", "gpus"),
    [
        (APART, ["cluster.workers=2"], 1),  # one GPU for two workers
        (APART, ["cluster.workers=2", "cluster.gpus_per_worker=0"], 0),
        ([{"CPU": 16.0}], ["cluster.workers=2"], 0),
        ([], [], 0),
    ],
)
def test_workers_have_a_gpu_each_if_the_cluster_has_any(
    nodes: list[dict[str, float]], words: list[str], gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.preflight.node_resources", lambda: nodes)
    assert with_gpus(load("demo", words)).cluster.gpus_per_worker == gpus


def test_too_few_gpus_are_refused_with_what_else_can_be_done() -> None:
    cluster = ClusterConfig(workers=2, gpus_per_worker=1)
    told = "2 workers with 1 GPU each need 2, the cluster has 1; lower cluster.workers, or set "
    with pytest.raises(ResourceError) as error:
        require_places(cluster, APART)
    assert str(error.value) == told + "cluster.gpus_per_worker=0 to use CPUs."
    with pytest.raises(ResourceError, match=r"=0 to use CPUs, .*=0\.5 \(or less\) to share one"):
        require_places(cluster, APART, share=True)
