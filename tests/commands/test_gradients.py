"""`mtl gradients` on small models: what it tells and writes, and what it refuses."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtl.__main__ import main
from mtl.config.load import load, to_yaml
from mtl.models.build import build_model
from mtl.models.model_file import save_model

WORDS = (
    "data.synthetic.train_sequences=10", "data.synthetic.val_sequences=1",
    "data.synthetic.frames=12", "data.min_frames=10", "training.batch_size=4",
    "model.backbone.width=32", "model.backbone.depth=2", "head.hidden_width=8",
)  # fmt: skip
HIPTRACK = ("demo", *WORDS, "model.backbone.elimination_blocks=[1]", "model.box_head.channels=16")
SIMTRACK = (
    "simtrack_small", *WORDS, "model.backbone.num_heads=2", "model.bottleneck_width=16",
    "model.box_head_channels=16",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MTL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["gradients", *map(str, words)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize(
    ("words", "ends"),
    [(HIPTRACK, ("embedding", "last norm")), (SIMTRACK, ("embedding", "bottleneck"))],
    ids=["hiptrack", "simtrack"],
)
def test_a_preset_gives_a_table_a_csv_and_a_picture(
    words: tuple[str, ...],
    ends: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "new" / "out"
    assert main(["gradients", *words, "--batches", "2", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "2 × 4 training clips" in said
    assert "identity:" in said
    assert "conflict" in said
    assert (out / "gradients.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((out / "gradients.csv").open()))
    assert (rows[0]["layer"], rows[-2]["layer"], rows[-1]["layer"]) == (*ends, "all shared")
    model = build_model(load(words[0], words[1:]))
    shared = sum(x.numel() for x in model.shared_parameters() if x.requires_grad)
    assert int(rows[-1]["parameters"]) == sum(int(row["parameters"]) for row in rows[:-1]) == shared
    squares = sum(float(row["norm_tracking"]) ** 2 for row in rows[:-1])
    assert squares == pytest.approx(float(rows[-1]["norm_tracking"]) ** 2, rel=0.5)
    for row in rows:
        low, mean, high = (
            float(row[f"{name}_tracking_conditions"])
            for name in ("cosine_min", "cosine", "cosine_max")
        )
        assert -1 <= low <= mean <= high <= 1
        assert float(row["conflict_rate_tracking_conditions"]) in (0, 0.5, 1)


def test_the_condition_gradient_follows_its_weight_and_the_same_words_give_the_same_file(
    tmp_path: Path,
) -> None:
    def norms(name: str, *words: str) -> tuple[str, dict[str, str]]:
        out = tmp_path / name
        assert main(["gradients", *SIMTRACK, *words, "--batches", "1", "--out", str(out)]) == 0
        text = (out / "gradients.csv").read_text()
        return text, list(csv.DictReader(text.splitlines()))[-1]

    text, once = norms("once")
    assert norms("again")[0] == text
    _, thrice = norms("thrice", "loss.cls_weight=3")
    assert float(thrice["norm_conditions"]) == pytest.approx(
        3 * float(once["norm_conditions"]), rel=1e-4
    )
    assert thrice["norm_tracking"] == once["norm_tracking"]


def test_a_run_is_measured_with_its_weights_and_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load(SIMTRACK[0], SIMTRACK[1:])
    weights = build_model(config).state_dict()
    weights["bottleneck.weight"] = weights["bottleneck.weight"] * 0
    save_model(tmp_path / "model.safetensors", weights, config, {})
    out = tmp_path / "out"
    words = [str(tmp_path), "training.batch_size=2", "--batches", "1", "--out", str(out)]
    assert main(["gradients", *words]) == 0
    said = capsys.readouterr().out
    assert "1 × 2 training clips" in said.replace("\n", " ")
    rows = {row["layer"]: row for row in csv.DictReader((out / "gradients.csv").open())}
    assert float(rows["block 0"]["norm_tracking"]) == 0  # a dead bottleneck passes nothing back
    assert float(rows["bottleneck"]["norm_tracking"]) > 0
    assert rows["block 0"]["cosine_tracking_conditions"] == ""
    said = refusal(capsys, tmp_path, "head.hidden_width=16", "--out", out)
    assert "'head' is fixed by the weights in" in said
    assert "'mode' is fixed" in refusal(capsys, tmp_path, "mode=mtl_soft", "--out", out)


@pytest.mark.parametrize("mode", ["finetune_bbox", "pretrained"])
def test_a_mode_without_a_second_task_has_nothing_to_compare(
    mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    said = refusal(capsys, *SIMTRACK, f"mode={mode}", "--out", out)
    assert f"mode '{mode}' trains no condition head" in said
    assert not out.exists()


def test_bad_words_and_files_are_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    assert "--batches must be at least 1, got 0" in refusal(capsys, "demo", "--batches", 0)
    assert "is a file; name a folder" in refusal(capsys, "demo", "--out", file)
    assert "did you mean 'demo'" in refusal(capsys, "dmo")
    assert "unknown key 'heads'" in refusal(capsys, "demo", "heads.x=1")
    assert "model.safetensors" in refusal(capsys, tmp_path)
    assert "gone.safetensors" in refusal(capsys, tmp_path / "gone.safetensors")
    config = tmp_path / "mine.yaml"
    config.write_text(to_yaml(load("demo")))
    words = (config, f"data.root={tmp_path / 'nowhere'}", "--out", tmp_path / "out")
    assert "nowhere" in refusal(capsys, *words)
