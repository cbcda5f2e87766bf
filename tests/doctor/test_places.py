from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mtl.config.load import load
from mtl.config.schema import EvaluateConfig
from mtl.config.tracking_data import DataConfig
from mtl.doctor.finding import Level
from mtl.doctor.places import seen
from tests.data.sequence_files import write_root
from tests.data.stale_files import StaleFiles


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "data")


def test_data_and_weights_of_a_run_are_seen_and_rendered_data_is_not(root: Path) -> None:
    weights = root.parent / "weights.safetensors"
    weights.write_bytes(b"weights")
    places = seen(load("demo", [f"data.root={root}", f"model.init={weights}"]))
    assert [(one.key, one.names and sorted(one.names)) for one in places] == [
        ("data.root", ["train", "val"]),
        ("model.init", None),
    ]
    assert {one.findings()[0].level for one in places} == {Level.OK}
    assert seen(load("demo")) == []


def test_sets_and_teachers_of_the_unified_model_are_seen(root: Path) -> None:
    words = [f"data.det_root={root}", f"data.cls_root={root}", f"teachers.det={root}/train"]
    config = load("unified_demo", [*words, f"teachers.cls={root}/not_trained_yet"])
    assert [one.key for one in seen(config)] == ["data.det_root", "data.cls_root", "teachers.det"]


def test_a_machine_without_the_folder_says_so(root: Path) -> None:
    (place,) = seen(EvaluateConfig(data=DataConfig(root=str(root))))
    shutil.rmtree(root)
    (found,) = place.findings()
    assert found.level is Level.ERROR
    assert found.text == (
        f"data.root={root} cannot be read (No such file or directory); put it on a disk that "
        "every node reaches at this path, or give a URI."
    )


def test_an_empty_mount_point_is_no_data(root: Path) -> None:
    (place,) = seen(EvaluateConfig(data=DataConfig(root=str(root))))
    shutil.rmtree(root)
    root.mkdir()
    (found,) = place.findings()
    assert found.level is Level.ERROR
    assert f"data.root={root} lacks train, val, which the command sees there" in found.text


def test_weights_that_are_elsewhere_are_missed(root: Path) -> None:
    weights = root / "weights.safetensors"
    weights.write_bytes(b"weights")
    (place,) = seen(load("demo", [f"model.init={weights}"]))
    weights.unlink()
    assert f"model.init={weights} cannot be read" in place.findings()[0].text


def test_a_storage_that_is_away_is_named_with_its_reason(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = root / "weights.safetensors"
    weights.write_bytes(b"weights")
    (place,) = seen(load("demo", [f"model.init={weights}"]))
    StaleFiles(monkeypatch, weights.name)
    (found,) = place.findings()
    assert found.level is Level.ERROR
    assert f"{weights} cannot be read ([Errno 116] Stale file handle" in found.text
    assert found.text.endswith("or give a URI.")
