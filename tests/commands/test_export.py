from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from mtl.__main__ import main
from mtl.conditions import CONDITIONS
from mtl.config.load import load
from mtl.config.schema import TrackerRunConfig
from mtl.errors import ExportError
from mtl.models.build import build_model
from mtl.models.export.formats import TorchExport
from mtl.models.export.program import Run
from mtl.models.export.write import ProgramFiles, WeightFile, export, read_subject
from mtl.models.model_file import load_model, open_model, save_model
from tests.models.export.exported import config_of


def run_config(family: str, mode: str = "mtl_hard", fusion: Any = None) -> TrackerRunConfig:
    config = load("demo", [f"mode={mode}", "head.hidden_width=8", "head.size_features=false"])
    head = config.head.model_copy(update={"fusion": fusion})
    return config.model_copy(update={"model": config_of(family), "head": head})


def saved(folder: Path, config: TrackerRunConfig) -> Path:
    torch.manual_seed(0)
    file = folder / "model.safetensors"
    save_model(file, build_model(config).state_dict(), config, {"iou": 0.5})
    return file


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["export", *map(str, words)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_all_formats_are_written_checked_and_described(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path, run_config("hiptrack", "mtl_film"))
    out = tmp_path / "out"
    assert main(["export", str(tmp_path), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == [
        "safetensors",
        "torchscript",
        "onnx",
        "torch_export",
    ]
    told = json.loads((out / "export.json").read_text())
    named = {name for form in told["formats"].values() for name in form["files"].values()}
    assert {path.name for path in out.iterdir()} == named | {"export.json"}
    step = told["programs"]["step"]
    assert [port["name"] for port in step["inputs"]] == [
        "template_tokens",
        "template_encoded",
        "search",
        "memory_keys",
        "memory_values",
        "written",
        "index",
    ]
    assert step["inputs"][3]["shape"] == [1, 3, 64, 8]
    assert step["inputs"][6] == {
        "name": "index",
        "shape": [1],
        "dtype": "int64",
        "meaning": "number of the frame, 1 after the first",
    }
    assert told["crops"]["search"] == {"size": 64, "factor": 4.0}
    assert told["normalization"]["mean"] == [0.485, 0.456, 0.406]
    assert told["conditions"] is None
    assert (out / "start.pt").stat().st_size < (out / "step.pt").stat().st_size / 2


@pytest.mark.parametrize("family", ["hiptrack", "simtrack"])
def test_a_head_that_changes_no_box_stays_behind(family: str, tmp_path: Path) -> None:
    file = saved(tmp_path, run_config(family))
    out = tmp_path / "out"
    words = ["export", str(file), "--out", str(out), "--format", "safetensors", "--without-head"]
    assert main(words) == 0
    weights, metadata = load_model(out / "model.safetensors")
    before, _ = load_model(file)
    assert {n for n in before if not n.startswith("condition_head.")} == weights.keys()
    assert json.loads(metadata["metrics"]) == {"iou": 0.5}
    model, config = open_model(out)
    assert config.mode == "pretrained"
    assert model.condition_head is None


def test_a_step_answers_with_conditions_when_asked_to(tmp_path: Path) -> None:
    saved(tmp_path, run_config("simtrack"))
    out = tmp_path / "out"
    words = ["export", str(tmp_path), "--out", str(out), "--format", "safetensors,torchscript"]
    assert main([*words, "--with-conditions"]) == 0
    told = json.loads((out / "export.json").read_text())
    assert told["conditions"] == list(CONDITIONS)
    ports = told["programs"]["step"]["inputs"]
    *_, conditions = torch.jit.load(out / "step.pt")(*(torch.randn(p["shape"]) for p in ports))
    assert conditions.shape == (1, 10)
    assert float(conditions.sum()) == pytest.approx(1.0)
    assert open_model(out)[1].mode == "mtl_hard"


def test_a_head_that_changes_boxes_is_part_of_the_export(tmp_path: Path) -> None:
    saved(tmp_path, run_config("simtrack", "mtl_film"))
    out = tmp_path / "out"
    assert main(["export", str(tmp_path), "--out", str(out), "--format", "safetensors"]) == 0
    assert open_model(out)[0].condition_head is not None
    assert json.loads((out / "export.json").read_text())["conditions"] is None


class WrongWeights(TorchExport):
    """A format whose programs are not the model's."""

    suffix = ".wrong"

    def load(self, path: Path) -> Run:
        run = super().load(path)
        return lambda inputs: [tensor + 1 for tensor in run(inputs)]


def test_a_format_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    file = saved(tmp_path, run_config("simtrack"))
    subject = read_subject(file, False, False, torch.device("cpu"))
    outputs = {"wrong": ProgramFiles(WrongWeights()), "safetensors": WeightFile()}
    said: list[str] = []
    out = tmp_path / "out"
    with pytest.raises(ExportError, match=r"failed for wrong .output 'template_tokens' differs"):
        export(subject, outputs, out, {}, said.append)
    assert [line.split(":")[0] for line in said] == ["safetensors"]
    assert {path.name for path in out.iterdir()} == {"export.json", "model.safetensors"}
    assert json.loads((out / "export.json").read_text())["formats"].keys() == {"safetensors"}


def test_a_head_the_boxes_need_cannot_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path, run_config("hiptrack", fusion="residual"))
    told = refusal(capsys, tmp_path, "--out", tmp_path / "out", "--without-head")
    assert "head.fusion=residual" in told
    assert not (tmp_path / "out").exists()


def test_a_model_without_head_has_no_conditions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path, run_config("hiptrack", "finetune_bbox"))
    told = refusal(capsys, tmp_path, "--out", tmp_path / "out", "--with-conditions")
    assert "has no condition head, as mode=finetune_bbox says" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--format", "onnx,tflite"], "'tflite' is no format; formats are safetensors, torchscr"),
        (["--format", ""], "'' is no format"),
        (["--device", "tpu"], "--device must be cpu or cuda"),
        ([], "cannot be read"),
    ],
)
def test_bad_words_are_refused(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "no.safetensors"
    assert told in refusal(capsys, missing, "--out", tmp_path / "out", *words)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refusal(capsys, tmp_path, "--out", tmp_path / "out", "--device", "cuda")
    assert "use --device cpu" in told


def test_a_folder_with_files_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    told = refusal(capsys, tmp_path, "--out", tmp_path)
    assert "is not an empty folder; name a new one" in told
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_missing_package_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    told = refusal(capsys, tmp_path, "--out", tmp_path / "out", "--format", "onnx")
    assert "the package onnxruntime; run pip install maritime-mtl[export]" in told
