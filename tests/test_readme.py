"""What the README tells people to write is taken as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from mtl.config.load import load, preset_names

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RANGES = re.findall(r"`('cluster\.workers=\[[^`]+)`", README)


@pytest.mark.parametrize("preset", preset_names())
def test_the_first_range_of_workers_fits_every_preset(preset: str) -> None:
    assert load(preset, shlex.split(RANGES[0])).cluster.most > 1


def test_the_other_range_of_workers_fits_the_batch_beside_it() -> None:
    (words,) = RANGES[1:]
    assert load("hiptrack", shlex.split(words)).cluster.fewest > 1
