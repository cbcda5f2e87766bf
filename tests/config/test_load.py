from __future__ import annotations

from pathlib import Path

import pytest

from mtl.config.load import load, load_tracker, preset_names, to_yaml
from mtl.errors import ConfigError


@pytest.mark.parametrize("preset", preset_names())
def test_a_resolved_config_reads_back_equal(preset: str, tmp_path: Path) -> None:
    config = load(preset)
    file = tmp_path / "config.yaml"
    file.write_text(to_yaml(config))
    assert load(str(file)) == config


def test_the_hiptrack_preset_is_the_published_recipe_plus_the_head() -> None:
    config = load("hiptrack")
    assert (config.model.template.size, config.model.search.size) == (192, 384)
    assert config.model.search_frames == 5
    assert (config.loss.giou, config.loss.l1, config.loss.location) == (2, 5, 1)
    assert config.loss.cls_weight == 0.1
    assert (config.head.hidden_width, config.head.dropout) == (512, 0.1)
    assert not config.head.size_features
    assert {name: stage.epochs for name, stage in config.stages.items()} == {
        "head": 30,
        "full": 20,
    }


def test_words_are_not_taken_for_truth_values() -> None:
    assert load("demo", ["name=no"]).name == "no"
    assert load("demo", ["resume=true"]).resume


def test_exponents_without_a_point_are_numbers() -> None:
    config = load("demo", ["stages.full.learning_rate=1e-4", "loss.l1=2"])
    assert config.stages["full"].learning_rate == 1e-4
    assert config.loss.l1 == 2.0


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model.memory.capcity=3", "did you mean 'model.memory.capacity'"),
        ("stages.full.epoch=3", "did you mean 'stages.full.epochs'"),
        ("stages.full.schedule.warmup=0.1", "did you mean 'stages.full.schedule.warmup_ratio'"),
        ("training.batch_size=abc", "'training.batch_size' in the command line"),
        ("training.batch_size=true", "valid integer, got True"),
        ("training.batch_size=1.5", "valid integer, got 1.5"),
        ("stages.full.epochs=-1", "greater than or equal to 0, got -1"),
        ("loss.giou=.nan", "finite number"),
        ("head.dropout=1", "less than 1"),
        ("model.backbone.num_heads=5", "width must be a multiple of num_heads"),
        ("model.search.size=100", "search.size must be a multiple of backbone.patch_size"),
        ("training.accumulate=3", "training.batch_size"),
        ("cluster.workers=[4,2]", "workers must be [fewest, most], got [4, 2]; swap them"),
        ("cluster.workers=[1,2,3]", "or [fewest, most], got [1, 2, 3]"),
        ("cluster.workers=[0,2]", "cluster.workers: must be a positive number"),
        ("cluster.workers=many", "must be a positive number or [fewest, most], got 'many'"),
        ("cluster.workers=[1,4] training.batch_size=8", "every number of workers from 1 to 4 "),
        ("cluster.workers=16 training.val_samples=8", "training.val_samples 8 must be 0 or"),
        ("name=../../etc", "'name' in the command line"),
        ("stages={}", "at least 1 item"),
        ("seed.x=3", "'seed' in preset 'demo'"),
        ("just-a-word", "write section.key=value"),
        ("loss.giou=[1", "not valid YAML"),
        ("data.on_error=ignore", "'stop' or 'skip'"),
    ],
)
def test_a_wrong_override_is_named_in_one_sentence(word: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("demo", word.split())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_names_the_file_and_the_nearest_known_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("model: {memory: {capcity: 3}}\nstages: {full: {epochs: 1}}\n")
    with pytest.raises(ConfigError) as caught:
        load(str(file))
    assert str(caught.value) == (
        f"unknown key 'model.memory.capcity' in {file}; did you mean 'model.memory.capacity'?"
    )


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "weighting.kind=uncertainty",
            "weighting.kind=uncertainty has no key 'floor' (in preset 'unified_plus'); write "
            "weighting={kind: uncertainty}",
        ),
        (
            "stages.joint.schedule.kind=step",
            "stages.joint.schedule.kind=step has no key 'warmup_ratio' (in preset 'unified_plus'); "
            "write stages.joint.schedule={kind: step}",
        ),
        (
            "weighting={kind: rlw, floor: 0.1}",
            "weighting.kind=rlw has no key 'floor' (in preset 'unified_plus'); leave it out",
        ),
        ("weighting={kind: learnable, flor: 0.1}", "did you mean 'weighting.floor'?"),
    ],
)
def test_a_key_of_another_kind_is_not_offered_again(word: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("unified_plus", [word])
    assert message in str(caught.value)
    _, _, remedy = message.partition("; write ")
    assert load("unified_plus", [remedy] if remedy else [])


def test_a_key_of_another_family_is_not_offered_again() -> None:
    with pytest.raises(ConfigError) as caught:
        load("hiptrack", ["model.backbone.fovea=16"])
    assert str(caught.value) == (
        "model.family=hiptrack has no key 'backbone.fovea' (in the command line); leave it out"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "not valid YAML"),
        ("seed: 1\nseed: 2\n", "stands twice"),
        ("- 1\n", "must be a map of keys, got list"),
        ("", "key 'stages' is missing"),
        ("seed: 1\n", "key 'stages' is missing"),
    ],
)
def test_a_wrong_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"mine\.yaml") as caught:
        load(str(file))
    assert message in str(caught.value)


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        load(str(file))


def test_an_unknown_preset_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'hiptrack'"):
        load("hiptrak")


def test_a_config_cannot_be_changed_after_loading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load("demo").seed = 3  # type: ignore[misc]


def test_every_key_is_documented() -> None:
    from mtl.config import schema

    for model in vars(schema).values():
        if isinstance(model, type) and issubclass(model, schema.Config):
            for name, field in model.model_fields.items():
                assert field.description, f"{model.__name__}.{name} has no sentence"


def test_a_section_given_in_part_keeps_the_rest_of_its_place() -> None:
    model = load_tracker("hiptrack", ["model.search.size=256"]).model
    assert (model.search.size, model.search.factor) == (256, 5.0)
    checkpoint = load("unified", ["checkpoint.keep=1"]).checkpoint
    assert (checkpoint.keep, checkpoint.metric) == (1, "score")
    assert load("hiptrack", ["checkpoint.keep=1"]).checkpoint.metric == "iou"
