"""The config of learning one task after another."""

from __future__ import annotations

import pytest

from mtl.config.load import load
from mtl.config.retention import RetentionConfig
from mtl.errors import ConfigError


def test_every_key_has_a_sentence_and_a_default() -> None:
    for name, field in RetentionConfig.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("retention.method=rehearsal", r"'retention\.method' in the command line: input should be"),
        ("retention.order=[seg]", r"'retention\.order' in the command line: .*at least 2 items"),
        ("retention.order=[seg, det, seg]", "retention: order must name each task once, got seg"),
        ("retention.order=[seg, depth]", r"'retention\.order.*: input should be 'det', 'seg' or"),
        (
            "retention.compare=[ewc, mas]",
            r"'retention\.compare.*: input should be 'none', 'replay'",
        ),
        ("retention.compare=[]", r"'retention\.compare' in the command line: .*at least 1 item"),
        ("retention.compare=[ewc, ewc]", "compare must name each method once, got ewc, ewc"),
        ("retention.memory_images=0", r"'retention\.memory_images' .* greater than 0, got 0"),
        ("retention.fisher_images=0", r"'retention\.fisher_images' .* greater than 0, got 0"),
        ("retention.fisher_images=-1", r"'retention\.fisher_images' .* greater than 0, got -1"),
        ("retention.ewc_weight=-1", r"'retention\.ewc_weight' .* greater than or equal to 0"),
        ("retention.lwf_weight=-1", r"'retention\.lwf_weight' .* greater than or equal to 0"),
        ("retention.images=3", r"unknown key 'retention\.images' in the command line; did you"),
    ],
)
def test_a_bad_value_is_named(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load("unified_demo", [word])


def test_a_task_of_the_order_needs_data() -> None:
    words = ["train_type=sequential", "data.det_root=a", "data.cls_root=b"]
    with pytest.raises(ConfigError, match=r"no data of seg; set data\.seg_root, or leave it out"):
        load("unified_demo", words)
    assert load("unified_demo", [*words, "retention.order=[cls, det]"]).learned == ("det", "cls")


@pytest.mark.parametrize(
    ("method", "trained"), [("none", {"cls"}), ("lwf", {"cls"}), ("replay", {"seg", "det", "cls"})]
)
def test_a_phase_trains_its_last_task_and_what_is_replayed(method: str, trained: set[str]) -> None:
    config = load("unified_demo", ["train_type=sequential", f"retention.method={method}"])
    assert set(config.tasks) == trained
    assert config.validated == ("cls",)
    assert set(config.learned) == {"seg", "det", "cls"}
    assert list(config.running_stages) == ["teachers"]
    assert not config.taught


def test_the_section_changes_no_other_run() -> None:
    config = load("unified_demo", ["retention.method=replay", "retention.order=[cls, seg]"])
    assert config.tasks == config.validated == config.learned == ("det", "seg", "cls")
