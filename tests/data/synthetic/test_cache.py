from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mtl.config.schema import SyntheticConfig
from mtl.data.synthetic import cache
from mtl.data.synthetic.cache import cache_folder, embedded_dataset
from mtl.data.synthetic.sequence import RENDERER_VERSION
from mtl.data.synthetic.writer import render_dataset
from mtl.errors import ConfigError

CONFIG = SyntheticConfig(width=128, height=96, frames=2, train_sequences=2, val_sequences=1)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MTL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_dataset_is_rendered_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = embedded_dataset(CONFIG)
    assert root.parent == folder
    assert sorted(p.name for p in root.iterdir() if "annts" not in p.name) == ["train", "val"]
    monkeypatch.setattr(cache, "render_dataset", lambda *_: pytest.fail("rendered again"))
    assert embedded_dataset(CONFIG) == root


def test_other_configuration_is_another_folder() -> None:
    other = CONFIG.model_copy(update={"seed": 8})
    assert embedded_dataset(CONFIG) != embedded_dataset(other)


def test_new_renderer_version_is_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    root = embedded_dataset(CONFIG)
    monkeypatch.setattr(cache, "RENDERER_VERSION", RENDERER_VERSION + 1)
    assert embedded_dataset(CONFIG) != root


def test_interrupted_rendering_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(root: Path, *arguments: object) -> None:
        (root / "train").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "render_dataset", interrupted)
        with pytest.raises(KeyboardInterrupt):
            embedded_dataset(CONFIG)
    assert list(folder.iterdir()) == []
    assert (embedded_dataset(CONFIG) / "val" / "list.txt").is_file()


def test_two_at_once_end_with_one_whole_dataset(folder: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(embedded_dataset, [CONFIG, CONFIG])
    assert first == second
    assert list(folder.iterdir()) == [first]
    assert len((first / "train" / "list.txt").read_text().split()) == 2


def test_a_slower_process_takes_the_faster_ones_result(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(root: Path, config: SyntheticConfig, *arguments: object) -> None:
        render_dataset(root, config, ("train", "val"))
        name = root.name.removeprefix(cache.PARTIAL).rpartition("-")[0]
        render_dataset(folder / name, config, ("train", "val"))

    monkeypatch.setattr(cache, "render_dataset", overtaken)
    root = embedded_dataset(CONFIG)
    assert list(folder.iterdir()) == [root]


def test_leftovers_of_killed_processes_go_after_hours_only(folder: Path) -> None:
    fresh, stale = folder / f"{cache.PARTIAL}a", folder / f"{cache.PARTIAL}b"
    for path in (fresh, stale):
        path.mkdir(parents=True)
    long_ago = time.time() - 2 * cache.STALE_S
    os.utime(stale, (long_ago, long_ago))
    embedded_dataset(CONFIG)
    assert fresh.exists()
    assert not stale.exists()


def test_impossible_configuration_leaves_nothing(folder: Path) -> None:
    with pytest.raises(ConfigError):
        embedded_dataset(CONFIG.model_copy(update={"width": 20}))
    assert not folder.exists() or list(folder.iterdir()) == []


def test_cache_is_in_the_home_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTL_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "mtl"
