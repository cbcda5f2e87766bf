"""The comparison of ways of searching, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtl.errors import ConfigError
from tests.tune.conftest import TINY
from tests.tune.made import carry_on, study_of
from tune.benchmark import OURS, is_done, main, parser, searches
from tune.load import to_yaml
from tune.results import write_trials

RUN = [word for word in TINY if word.split("=")[0].split(".")[0] not in OURS]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0"], "--seeds must be at least 1, got 0"),
        (["--asha-trials", "-2"], "--asha-trials must be at least 1, got -2"),
        (["--ways", "random,tpe,grid"], "--ways: 'grid' is no way of searching; there are random"),
        (["sampler=tpe"], "sampler= is set by the comparison itself"),
        (["trials=3"], "trials= is set by the comparison itself"),
        (["objectives=[{value: iou}, {value: ao}]", "scheduler=none"], "scheduler= is set by"),
        (["nothing.yaml"], "'nothing.yaml' is neither a search preset nor a YAML file"),
    ],
)
def test_a_wrong_comparison_is_refused_in_one_sentence(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_several_objectives_have_no_best_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(
        "space: {giou: {kind: float, path: loss.giou, low: 1, high: 2}}\n"
        "objectives: [{value: iou}, {value: ao}]\nscheduler: none\n"
    )
    assert main([str(file), "--out", str(tmp_path / "out")]) == 1
    assert "objectives must be one, got 2" in capsys.readouterr().err


def test_a_search_is_done_when_it_has_all_the_trials_and_is_the_same(tmp_path: Path) -> None:
    study = study_of(tmp_path / "random-1", "trials=1")
    (study.folder / "search.yaml").write_text(to_yaml(study.search))
    words = [f"storage={tmp_path}", "name=random-1", "resume=true"]
    assert not is_done([*words, "trials=1"], study.folder)
    number, _ = study.begin()  # type: ignore[misc]
    carry_on(study, number, [0.1] * 6)
    write_trials(study)
    assert is_done([*words, "trials=1"], study.folder)
    assert not is_done([*words, "trials=2"], study.folder)
    with pytest.raises(ConfigError, match="was started with another sampler"):
        is_done([*words, "trials=1", "sampler=random"], study.folder)


def test_fewer_ways_are_compared_with_chance_all_the_same() -> None:
    options = parser().parse_args(["demo", "--ways", "tpe_asha", "--seeds", "2"])
    assert [(way.name, seed) for way, seed, _ in searches(options)] == [
        *(("random", 1), ("tpe_asha", 1), ("random", 2), ("tpe_asha", 2))
    ]


@pytest.mark.ray
@pytest.mark.slow
def test_every_way_searches_and_a_second_call_searches_nothing(
    tmp_path: Path, local_cluster: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "demo",
        *RUN,
        "--seeds",
        "1",
        "--trials",
        "3",
        "--asha-trials",
        "4",
        "--out",
        str(tmp_path),
    ]
    assert main(command) == 0
    told = json.loads((tmp_path / "benchmark.json").read_text())
    assert [one["way"] for one in told["searches"]] == [
        *("random", "tpe", "random_asha", "tpe_asha")
    ]
    random, _, _, stopping = told["searches"]
    assert random["epochs"] == [4, 8, 12]
    assert stopping["total"] < 16
    assert told["share_of_random_epochs"]["random"]["1"] <= 1
    assert "tpe_asha" in capsys.readouterr().out
    files = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("trials.parquet")}
    assert main(command) == 0
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("trials.parquet")} == files
