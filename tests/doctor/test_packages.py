from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from mtl.doctor.finding import Level
from mtl.doctor.packages import CODE, Packages, SameVersions, code_digest, versions


def install(folder: Path, name: str, version: str, *requires: str) -> None:
    """What pip leaves of a package, as far as its metadata goes."""
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir()
    asked = "".join(f"Requires-Dist: {one}\n" for one in requires)
    (place / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{asked}"
    )


def test_what_is_installed_here_fits() -> None:
    findings = Packages().findings()
    assert {one.level for one in findings} == {Level.OK}
    assert {"python", "torch", "ray", "numpy", "pyarrow"} <= {one.what for one in findings}
    assert findings[0].text == platform.python_version()


def test_a_wrong_and_a_missing_package_are_named_with_the_command_that_mends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "numpy", "0.0.1")
    asked = ("numpy>=1.26", "no-such-package>=3", "neither; extra == 'test'")
    install(tmp_path, "maritime_mtl", "9", *asked)
    monkeypatch.syspath_prepend(str(tmp_path))
    _, old, absent = Packages().findings()
    assert old.level is absent.level is Level.ERROR
    assert old.text == "numpy must be >=1.26, got 0.0.1; pip install 'numpy>=1.26'."
    assert absent.text == "no-such-package>=3 is not installed; pip install 'no-such-package>=3'."


def test_versions_are_those_of_another_machine_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = versions()
    assert [one.level for one in SameVersions(elsewhere).findings()] == [Level.OK]
    install(tmp_path, "numpy", "0.0.1")
    monkeypatch.syspath_prepend(str(tmp_path))
    (found,) = SameVersions({**elsewhere, "no-such-package": "3"}).findings()
    assert found.level is Level.ERROR
    told = f"numpy is 0.0.1, not {elsewhere['numpy']}, no-such-package is missing, not 3; install"
    assert found.text.startswith(told)


def test_builds_of_one_version_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = versions()
    install(tmp_path, "numpy", f"{elsewhere['numpy']}+cu128")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [one.level for one in SameVersions(elsewhere).findings()] == [Level.OK]


def test_other_code_is_another_version() -> None:
    (found,) = SameVersions({**versions(), CODE: "0" * 12}).findings()
    assert found.level is Level.ERROR
    assert f"{CODE} is {code_digest()}, not 000000000000" in found.text


def test_versions_are_read_without_importing_what_they_are_of() -> None:
    program = (
        "import sys; from mtl.doctor.packages import versions; versions(); "
        "print({'torch', 'ray', 'numpy'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert told.stdout.strip() == "set()", told.stderr
