from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
import torch

from mtl.benchmark.entrants import BaselineEntrant, open_models
from mtl.conditions import OUTPUT_NAMES
from mtl.errors import CheckpointError, ConfigError
from tests.benchmark.small_evaluation import write_model


def names(*words: Path) -> list[str]:
    return [entrant.name for entrant in open_models([str(word) for word in words])]


def test_a_model_is_called_like_its_run_or_file(tmp_path: Path) -> None:
    run = write_model(tmp_path / "runs" / "ship one")
    shutil.copy(run / "model.safetensors", tmp_path / "best.safetensors")
    assert names(run, tmp_path / "best.safetensors") == ["ship_one", "best"]
    assert names(run / "model.safetensors") == ["ship_one"]


def test_two_runs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    a, b = write_model(tmp_path / "a" / "run"), write_model(tmp_path / "b" / "run", seed=1)
    assert names(a, b) == ["a-run", "b-run"]


def test_the_same_model_twice_is_refused(tmp_path: Path) -> None:
    run = write_model(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"run' is named twice; name it once\."):
        names(run, run / "model.safetensors")


def test_digests_tell_weights_apart(tmp_path: Path) -> None:
    a, b = write_model(tmp_path / "a"), write_model(tmp_path / "b", seed=1)
    copy = shutil.copytree(a, tmp_path / "copy")
    digests = [entrant.digest for entrant in open_models([str(a), str(b), str(copy)])]
    assert digests[0] == digests[2] != digests[1]
    assert BaselineEntrant("csrt").digest != BaselineEntrant("kcf").digest


def test_heads_are_asked_only_where_wanted_and_there(tmp_path: Path) -> None:
    run = write_model(tmp_path / "run")
    (asked,), (silent,) = open_models([str(run)]), open_models([str(run)], asks_conditions=False)
    assert asked.output_names == OUTPUT_NAMES["classes"]
    assert silent.output_names is None
    bare = write_model(tmp_path / "bare", 0, "mode=finetune_bbox")
    assert open_models([str(bare)])[0].output_names is None
    film = write_model(tmp_path / "film", 0, "mode=mtl_film")
    assert open_models([str(film)])[0].output_names == OUTPUT_NAMES["attributes"]


def test_an_entrant_travels_to_other_processes(tmp_path: Path) -> None:
    (entrant,) = open_models([str(write_model(tmp_path / "run"))])
    there = pickle.loads(pickle.dumps(entrant))
    assert (there.name, there.digest) == (entrant.name, entrant.digest)
    weights = entrant.model.state_dict()
    for name, tensor in there.model.state_dict().items():
        assert torch.equal(tensor, weights[name])


@pytest.mark.parametrize("word", ["nothing", "nothing.safetensors"])
def test_a_missing_model_is_named(tmp_path: Path, word: str) -> None:
    with pytest.raises(CheckpointError, match=f"{word}.* cannot be read .*name a run folder"):
        open_models([str(tmp_path / word)])


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken.safetensors"
    file.write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match=r"broken\.safetensors cannot be read"):
        open_models([str(file)])
