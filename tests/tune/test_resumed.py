"""What a search goes on from, and what it refuses to go on with; nothing is trained."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from mtl.config.load import load as load_run
from mtl.config.load import to_yaml as run_to_yaml
from mtl.errors import ConfigError
from tests.tune.made import carry_on, study_of
from tune.base import BASE_FILE, keep_base
from tune.journal import JOURNAL
from tune.load import base_run, to_yaml
from tune.search import SEARCH_FILE, check_folder, main, resolve
from tune.warm_start import earlier_bests


def write_run(file: Path, *words: str) -> None:
    stages = ["stages.head.epochs=1", "stages.full.epochs=5", "loss.cls_weight=0.5"]
    file.write_text(run_to_yaml(load_run("demo", [*stages, *words])))


@pytest.fixture
def search_of_file(tmp_path: Path) -> Path:
    """The folder of a search of a run that stands in a file beside it, which is called my.yaml."""
    write_run(tmp_path / "my.yaml")
    study = study_of(tmp_path / "s", f"run={{preset: {tmp_path / 'my.yaml'}}}")
    (study.folder / SEARCH_FILE).write_text(to_yaml(study.search))
    keep_base(study.folder, base_run(study.search))
    return study.folder


def resuming(folder: Path) -> list[str]:
    return ["resume=true", f"name={folder.name}", f"storage={folder.parent}"]


def test_a_search_whose_run_has_changed_is_refused_and_the_keys_are_named(
    search_of_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check_folder(resolve(resuming(search_of_file)), search_of_file)
    write_run(search_of_file.parent / "my.yaml", "stages.head.epochs=2", "stages.full.epochs=7")
    assert main(resuming(search_of_file)) == 1
    error = capsys.readouterr().err
    assert "run.stages.head.epochs=1 (now 2), run.stages.full.epochs=5 (now 7)" in error
    assert error.count("\n") == 1


def test_where_the_run_of_a_search_runs_may_change(search_of_file: Path) -> None:
    write_run(search_of_file.parent / "my.yaml", "cluster.max_failures=9", "training.log_every=3")
    search = resolve(resuming(search_of_file))
    check_folder(search, search_of_file)
    kept = (search_of_file / BASE_FILE).read_text()
    keep_base(search_of_file, base_run(search))
    assert (search_of_file / BASE_FILE).read_text() == kept  # that of the start


def test_a_search_that_began_before_its_run_was_kept_goes_on(search_of_file: Path) -> None:
    (search_of_file / BASE_FILE).unlink()
    write_run(search_of_file.parent / "my.yaml", "stages.head.epochs=2", "stages.full.epochs=7")
    check_folder(resolve(resuming(search_of_file)), search_of_file)


def test_a_renamed_folder_goes_on_with_its_study(tmp_path: Path) -> None:
    study = study_of(tmp_path / "before")
    assert study.begin()
    carry_on(study, 0, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    left = study.left
    renamed = study_of((tmp_path / "before").rename(tmp_path / "after"))
    assert renamed.left == left
    assert [trial.number for trial in renamed.best()] == [0]
    names = optuna.get_all_study_names(renamed.optuna._storage)
    assert names == ["before"]
    warm = study_of(tmp_path / "next", f"warm_start={tmp_path / 'after'}")
    assert earlier_bests(warm.search, warm.space) == [renamed.optuna.trials[0].params]


@pytest.mark.parametrize("damage", ["{broken\n{}\n", "[1]\n", "{}\n", "\x00\x00\n\n"])
def test_a_damaged_journal_is_refused_in_one_sentence(tmp_path: Path, damage: str) -> None:
    study = study_of(tmp_path / "s")
    study.search = study.search.model_copy(update={"warm_start": str(study.folder)})
    journal = study.folder / JOURNAL
    journal.write_text(damage + journal.read_text())
    with pytest.raises(ConfigError) as error:
        earlier_bests(study.search, study.space)
    assert f"{journal} is not a journal of Optuna, or is damaged" in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="is damaged"):
        study_of(tmp_path / "s")
