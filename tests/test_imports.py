"""Imports point down only: tune -> cluster -> mtl, and inside mtl from the loop to geometry."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mtl", "cluster", "tune")

# A part may import those below it and itself. `FREE` may be imported by all.
BELOW = {
    "config": set(),
    "conditions": set(),
    "geometry": {"conditions"},
    "data": {"geometry", "conditions", "config"},
    "models": {"geometry", "conditions", "config"},
    "losses": {"geometry", "conditions", "config", "models"},
    "evaluation": {"geometry", "conditions", "config"},
    "tracking": {"geometry", "conditions", "config", "data", "models", "evaluation"},
    "report": {"geometry", "conditions", "config", "data", "evaluation"},
    "benchmark": {"conditions", "config", "data", "models", "evaluation", "tracking", "report"},
    "tasks": {"geometry", "conditions", "config", "data", "models", "losses", "evaluation"},
    "training": {"conditions", "config", "data", "models", "losses", "tasks"},
    "comparison": {"conditions", "config", "data", "models", "tasks", "training"},
    "families": {"config", "data", "models", "evaluation", "tracking", "report", "benchmark"}
    | {"losses", "tasks", "training"},
    "doctor": {"config", "data", "models", "training", "families"},
}
FREE = {"cpu", "errors", "files", "hiccups"}


def imports_of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("file", files("mtl"), ids=lambda f: str(f.relative_to(ROOT)))
def test_mtl_imports_neither_ray_nor_what_stands_above(file: Path) -> None:
    parts = file.relative_to(ROOT / "mtl").with_suffix("").parts
    if parts[0] == "commands":
        BELOW["commands"] = BELOW.keys() - {"commands"}
    for name in imports_of(file):
        top, *rest = name.split(".")
        assert top not in ("ray", "cluster", "tune"), f"{file} imports {name}"
        if top == "mtl" and rest and parts[0] in BELOW and rest[0] not in FREE | {parts[0]}:
            assert rest[0] in BELOW[parts[0]], f"mtl/{parts[0]} must not import mtl.{rest[0]}"


@pytest.mark.parametrize("file", files("cluster"), ids=lambda f: str(f.relative_to(ROOT)))
def test_cluster_does_not_import_tune(file: Path) -> None:
    assert not [name for name in imports_of(file) if name.split(".")[0] == "tune"]


def test_every_part_of_mtl_has_its_place_in_the_order() -> None:
    parts = {p.name for p in (ROOT / "mtl").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert parts <= set(BELOW)
