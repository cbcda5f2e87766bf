from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtl.conditions import CONDITIONS
from mtl.config.load import load, to_yaml
from mtl.errors import DataError, ShapeError
from mtl.evaluation.confusion import condition_metrics
from mtl.evaluation.got10k_files import write_result
from mtl.evaluation.one_pass import TrackedSequence
from mtl.report.frames import Picture
from mtl.report.write import write_report

CONFUSION = np.diag(np.arange(10)) + np.eye(10, k=1, dtype=np.int64)
VOID = {"img", "meta", "br", "link", "input"}


class Page(HTMLParser):
    """Elements and visible words of a page; fails where tags do not nest."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(document)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data.strip())

    def has(self, word: str) -> bool:
        return any(word in text for text in self.words)


def epoch_lines(epoch: int, labels: bool = True) -> list[dict[str, Any]]:
    stage = "head" if epoch == 1 else "full"
    common = {"epoch": epoch, "stage": stage, "step": 64 * epoch, "samples": 1024 * epoch}
    losses = {"loss/total": 5.0 / epoch, "loss/giou": 1.0 / epoch, "iou": 0.1 * epoch}
    seconds = {"seconds": 10.0 * epoch, "skipped": 1}
    val: dict[str, Any] = {**common, **losses, **seconds, "split": "val"}
    if labels:
        val |= {**condition_metrics(CONFUSION), "confusion": CONFUSION.tolist()}
    return [{**common, **losses, **seconds, "split": "train", "learning_rate": 1e-3}, val]


def run_folder(
    folder: Path, lines: list[dict[str, Any]] | None, overrides: tuple[str, ...] = ("name=boats",)
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(
        to_yaml(load("demo", ["stages.full.epochs=12", *overrides]))
    )
    if lines is not None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "metrics.jsonl").write_text(text)
    return folder


def tracking_line(split: str = "val") -> dict[str, Any]:
    scores = {"ao": 0.583, "sr_50": 0.671, "fps": 38.6, "sequences": 19}
    return {"epoch": 3, "stage": "tracking", "split": split, **scores}


@pytest.fixture
def finished_run(tmp_path: Path) -> Path:
    lines = [line for epoch in (1, 2, 3) for line in epoch_lines(epoch)]
    folder = run_folder(tmp_path / "run", [*lines, tracking_line()])
    tracked = TrackedSequence(np.ones((5, 4)), np.full(5, 0.25))
    write_result(folder / "results", "hiptrack", "harbour-3", tracked)
    return folder


def test_a_finished_run_is_shown_whole(finished_run: Path) -> None:
    picture = Picture("harbour-3, frame 4", np.full((40, 60, 3), 7, np.uint8))
    path = write_report(finished_run, [picture])
    page = Page(path.read_text(encoding="utf-8"))
    assert path == finished_run / "report.html"
    for word in (
        "boats", "head: 1 epoch at 0.001 → full: 12 epochs at 0.001", "3 of 13", "embedded",
        "0.300", "1.667", "0.583", "38.60", "harbour-3, frame 4", "harbour-3", "4.000",
        "elimination_blocks", *[name.replace("_", " ") for name in CONDITIONS],
    ):  # fmt: skip
        assert page.has(word), word
    titles = [words for words in page.words if words in ("Curves", "Conditions", "Online tracking")]
    assert sorted(titles) == ["Conditions", "Curves", "Online tracking"]


def test_the_page_loads_nothing_and_runs_nothing(finished_run: Path) -> None:
    document = write_report(finished_run).read_text(encoding="utf-8")
    page = Page(document)
    assert not {"script", "link", "iframe", "a"} & {name for name, _ in page.elements}
    for _, attributes in page.elements:
        assert (attributes.get("src") or "data:").startswith("data:")
        assert not any(name.startswith("on") or name == "href" for name in attributes)
    assert "url(" not in document
    assert "default-src &#x27;none&#x27;" in document


def test_pictures_are_described_and_tables_have_headings(finished_run: Path) -> None:
    page = Page(write_report(finished_run).read_text(encoding="utf-8"))
    pictures = [attributes for name, attributes in page.elements if name == "img"]
    assert len(pictures) == 5  # total and GIoU loss, IoU, accuracy, learning rate
    assert all(attributes["alt"] for attributes in pictures)
    assert any("IoU by epoch: training from 0.100" in str(x["alt"]) for x in pictures)
    assert all(attributes.get("scope") for name, attributes in page.elements if name == "th")


def test_attributes_are_shown_where_a_run_learned_them_instead_of_classes(tmp_path: Path) -> None:
    lines = [line for epoch in (1, 2) for line in epoch_lines(epoch, labels=False)]
    for line in lines:
        line |= {"loss/severity": 0.125, "attribute_accuracy": 0.875, "attribute_f1": 0.75}
    folder = run_folder(tmp_path / "run", lines, ("name=boats", "mode=mtl_multilabel"))
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    for word in ("Severity loss", "0.125", "Attribute accuracy", "0.875", "Attribute F1", "0.750"):
        assert page.has(word), word
    described = [str(attributes.get("alt")) for name, attributes in page.elements if name == "img"]
    assert sum(text.startswith(("Attribute F1", "Severity loss")) for text in described) == 2
    assert not page.has("Confusion matrix")


def test_the_same_run_gives_the_same_bytes(finished_run: Path) -> None:
    first = write_report(finished_run).read_bytes()
    assert write_report(finished_run).read_bytes() == first


def test_text_from_files_is_escaped(tmp_path: Path) -> None:
    attack = "<script>alert('x')</script>"
    lines = [{**line, "stage": attack + "\ud800"} for line in epoch_lines(1)]
    folder = run_folder(tmp_path, lines)
    (folder / "config.yaml").write_text(f'name: "{attack}"\nstages: {{"{attack}": {{}}}}\n')
    picture = Picture(attack, np.zeros((4, 4, 3), np.uint8))
    document = write_report(folder, [picture]).read_text(encoding="utf-8")
    assert attack not in document
    assert "<script" not in document
    Page(document)


def test_a_run_that_has_not_ended_an_epoch_says_so(tmp_path: Path) -> None:
    page = Page(write_report(run_folder(tmp_path, None)).read_text(encoding="utf-8"))
    assert page.has("No epoch of this run has ended yet")
    assert page.has("0 of 13")
    assert not any(name == "img" for name, _ in page.elements)


def test_what_was_not_measured_is_missing_and_never_zero(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, epoch_lines(1, labels=False))
    document = write_report(folder).read_text(encoding="utf-8")
    tile = re.search(r"Best accuracy.*?class=\"value\">(.*?)<", document)
    overlap = re.search(r"Average overlap.*?class=\"value\">(.*?)<", document)
    assert tile is not None
    assert overlap is not None
    assert tile[1] == overlap[1] == "–"
    page = Page(document)
    assert not page.has("Conditions")
    assert not page.has("Online tracking")


def test_a_class_without_samples_has_no_accuracy_and_an_empty_matrix_no_section(
    tmp_path: Path,
) -> None:
    confusion = np.zeros((10, 10), np.int64)
    lines = epoch_lines(1, labels=False)
    lines[1]["confusion"] = confusion.tolist()
    assert "Confusion matrix" not in write_report(run_folder(tmp_path, lines)).read_text("utf-8")
    confusion[3, 3] = 8
    lines[1]["confusion"] = confusion.tolist()
    document = write_report(run_folder(tmp_path, lines)).read_text("utf-8")
    row = r'motion blur</th><td><span class="bar">.*?</td><td>1\.000</td><td>8</td>'
    assert re.search(row, document)
    assert "normal</th><td></td><td>–</td><td>0</td>" in document


def fact(document: str, title: str) -> str:
    found = re.search(rf"<dt>{title}</dt><dd>(.*?)</dd>", document)
    assert found is not None
    return found[1]


def test_what_the_reader_left_out_is_a_fact_beside_what_was_skipped(tmp_path: Path) -> None:
    lines = [line for epoch in (1, 2) for line in epoch_lines(epoch)]
    for left_out, shown in ((0, "0"), (17, "17")):
        told = [{**line, **({"left_out": left_out} if left_out else {})} for line in lines]
        document = write_report(run_folder(tmp_path, told)).read_text("utf-8")
        assert fact(document, "Items skipped") == "4"
        assert fact(document, "Left out by the reader") == shown
    document = write_report(run_folder(tmp_path / "new", None)).read_text("utf-8")
    assert fact(document, "Left out by the reader") == "–"


def test_a_run_without_validation_is_shown(tmp_path: Path) -> None:
    lines = [epoch_lines(epoch)[0] for epoch in (1, 2)]
    page = Page(write_report(run_folder(tmp_path, lines)).read_text(encoding="utf-8"))
    assert page.has("Curves")
    assert page.has("not measured")


def test_a_diverged_value_is_shown_as_such(tmp_path: Path) -> None:
    lines = epoch_lines(1)
    lines[1]["loss/giou"] = float("nan")
    page = Page(write_report(run_folder(tmp_path, lines)).read_text(encoding="utf-8"))
    assert page.has("NaN")


def test_test_scores_lead_where_a_test_split_was_tracked(tmp_path: Path) -> None:
    lines = [*epoch_lines(1), tracking_line("val"), {**tracking_line("test"), "ao": 0.412}]
    document = write_report(run_folder(tmp_path, lines)).read_text(encoding="utf-8")
    tile = re.search(r"Average overlap.*?class=\"value\">(.*?)<.*?class=\"when\">(.*?)<", document)
    assert tile is not None
    assert tile.groups() == ("0.412", "tracking, test sequences")


def test_a_broken_metrics_line_is_named(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, epoch_lines(1))
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 2, "st')
    with pytest.raises(DataError, match=r"metrics\.jsonl, line 3: a metrics line must be whole"):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_a_broken_result_file_is_named(finished_run: Path) -> None:
    path = finished_run / "results" / "hiptrack" / "harbour-3" / "harbour-3_001.txt"
    path.write_text("1,1,1,1\n1,1\n")
    with pytest.raises(DataError, match=r"harbour-3_001\.txt, line 2"):
        write_report(finished_run)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is absent; give the folder of a run"),
        (b"a: [1", "is not valid YAML"),
        (b"just words", "must be a map of keys"),
        (b"\xff\xfe\x00", "cannot be read as text"),
    ],
)
def test_a_folder_that_is_no_run_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(DataError, match=rf"config\.yaml {message}"):
        write_report(tmp_path)


def test_a_config_of_another_make_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: resnet\nstages: [1, 2]\nseed: null\n")
    page = Page(write_report(tmp_path).read_text(encoding="utf-8"))
    assert page.has(tmp_path.name)


def test_a_picture_that_is_none_is_refused(finished_run: Path) -> None:
    with pytest.raises(ShapeError, match="picture 'grey' must be"):
        write_report(finished_run, [Picture("grey", np.zeros((4, 4), np.uint8))])


def test_a_wide_picture_is_made_smaller(finished_run: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 4000, 3), dtype=np.uint8)
    before = write_report(finished_run).stat().st_size
    after = write_report(finished_run, [Picture("wide", noise)]).stat().st_size
    assert after - before < 100_000
