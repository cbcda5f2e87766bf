"""What the README tells people to write is taken as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from mtl.config.load import load, preset_names
from mtl.families import family_of
from tests.data.unified.set_files import box, write_coco, write_folders, write_voc
from tune.check import checked
from tune.load import load as load_search

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RANGES = re.findall(r"`('cluster\.workers=\[[^`]+)`", README)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def words_of(script: str) -> list[list[str]]:
    """Words of each command that starts a script and names them all; a `...` leaves some out."""
    lines = "".join(blocks("bash")).replace("\\\n", " ")
    calls = [shlex.split(call, comments=True) for call in re.findall(rf"{script}(.*)", lines)]
    return [call for call in calls if "..." not in call]


@pytest.mark.parametrize("words", words_of("cluster/train.py"), ids=" ".join)
def test_a_run_loads(words: list[str]) -> None:
    source = words.pop(0) if words else "demo"
    assert load(source, words).trains


@pytest.mark.parametrize("words", words_of("tune/search.py"), ids=" ".join)
def test_a_search_fits_its_run(words: list[str]) -> None:
    source = words.pop(0) if words else "demo"
    assert checked(load_search(source, words))


def test_the_space_fits_its_run(tmp_path: Path) -> None:
    (space,) = (block for block in blocks("yaml") if block.startswith("space:"))
    file = tmp_path / "search.yaml"
    file.write_text(space, encoding="utf-8")
    found, goal = checked(load_search(str(file)))
    assert len(found.parameters) == len(re.findall(r"^  \w+: ", space, re.MULTILINE)) > 2
    assert goal.objectives


def test_the_unified_run_reads_sets_as_their_publishers_lay_them_out(tmp_path: Path) -> None:
    (words,) = (call for call in words_of("cluster/train.py") if "data.det_root=COCO" in call)
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, 81)]
    for split in ("train2017", "val2017"):
        boxes = [box(10, (1, 1, 9, 9), category=80)]
        write_coco(tmp_path / "COCO", boxes, images=16, split=split, categories=categories)
    for split in ("train", "val"):
        write_voc(tmp_path / "VOC", images=16, split=split, official=True)
        write_folders(tmp_path / "IMAGENETTE", split=split, classes=[*"abcdefghij"])
    source, *rest = (word.replace("_root=", f"_root={tmp_path}/") for word in words)
    indices = family_of(load(source, rest)).indices()  # refuses class counts that are not theirs
    assert list(indices.final) == ["val"]
    assert {task: len(names) for task, names in indices.train.class_names.items()} == {
        "det": 80, "seg": 21, "cls": 10,
    }  # fmt: skip


@pytest.mark.parametrize("preset", preset_names())
def test_the_first_range_of_workers_fits_every_preset(preset: str) -> None:
    assert load(preset, shlex.split(RANGES[0])).cluster.most > 1


def test_the_other_range_of_workers_fits_the_batch_beside_it() -> None:
    (words,) = RANGES[1:]
    assert load("hiptrack", shlex.split(words)).cluster.fewest > 1
