"""Versions of Python, of the packages this project needs and of its own code.

Read from the metadata of what is installed; no package is imported.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from mtl.doctor.finding import Finding, Level, listed

PROJECT = "maritime-mtl"
CODE = f"code of {PROJECT}"


def requirements() -> list[Requirement]:
    """Packages that the installed project asks for, extras left out; none: it is not installed."""
    try:
        asked = metadata.requires(PROJECT) or []
    except metadata.PackageNotFoundError:
        return []
    parsed = [Requirement(text) for text in asked]
    return [one for one in parsed if one.marker is None or one.marker.evaluate({"extra": ""})]


def installed(name: str) -> str | None:
    """Version of a package, none where it is not installed; `+cpu` or `+cu128` is part of it."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Twelve digits that change with any source file of the packages `mtl` and `cluster`."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for file in sorted(path for part in ("mtl", "cluster") for path in (root / part).rglob("*.py")):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def versions() -> dict[str, str]:
    """Version of Python, of each package that is asked for and installed, and of the code.

    As far as machines of one cluster must agree: a head without a GPU may have torch for CPUs.
    """
    found = {one.name: _public(installed(one.name)) for one in requirements()}
    here = {name: version for name, version in found.items() if version is not None}
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **here, CODE: code_digest()}


def _public(version: str | None) -> str | None:
    return version and version.partition("+")[0]


@dataclass(frozen=True)
class Packages:
    """Whether each package is there in a version that the project can use."""

    def findings(self) -> list[Finding]:
        """See `Check.findings`: one for Python and for each package."""
        python = Finding("python", Level.OK, platform.python_version())
        asked = requirements()
        if not asked:
            told = f"{PROJECT} is not installed, so what it needs is not known; pip install -e ."
            return [python, Finding("packages", Level.WARNING, told)]
        return [python, *map(_judged, asked)]


def _judged(asked: Requirement) -> Finding:
    version = installed(asked.name)
    wanted = f"{asked.name}{asked.specifier}"
    if version is None:
        told = f"{wanted} is not installed; pip install '{wanted}'."
        return Finding(asked.name, Level.ERROR, told)
    if not asked.specifier.contains(version, prereleases=True):
        told = f"{asked.name} must be {asked.specifier}, got {version}; pip install '{wanted}'."
        return Finding(asked.name, Level.ERROR, told)
    return Finding(asked.name, Level.OK, version)


@dataclass(frozen=True)
class SameVersions:
    """Whether this machine has the versions of another one."""

    expected: Mapping[str, str]
    """`versions()` of the other machine."""

    def findings(self) -> list[Finding]:
        """See `Check.findings`."""
        here = versions()
        mine = {name: here.get(name) or _public(installed(name)) for name in self.expected}
        other = [
            f"{name} is {mine[name] or 'missing'}, not {version}"
            for name, version in self.expected.items()
            if mine[name] != version
        ]
        if not other:
            return [Finding("versions", Level.OK, "as where the command runs")]
        told = f"{listed(other)}; install the versions of the machine where the command runs."
        return [Finding("versions", Level.ERROR, told)]
