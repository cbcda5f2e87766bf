from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from mtl.doctor.finding import Check, Level
from mtl.doctor.machine import Gpu, Memory, Processors, SharedMemory, gib, processors

MORE_THAN_THERE_IS = 1 << 60


def test_what_is_there_is_told(tmp_path: Path) -> None:
    checks: list[Check] = [Processors(), Memory(1), SharedMemory(str(tmp_path), 1)]
    for check in checks:
        (found,) = check.findings()
        assert found.level is Level.OK
    assert Processors().findings()[0].text == f"{processors()} threads"


@pytest.mark.parametrize(
    ("check", "remedy"),
    [
        (Processors(10_000), "lower cluster.workers"),
        (Memory(MORE_THAN_THERE_IS), "end other programs"),
        (SharedMemory("/tmp", MORE_THAN_THERE_IS), "give a container --shm-size"),
    ],
)
def test_too_little_of_something_is_a_warning_with_a_remedy(check: Check, remedy: str) -> None:
    (found,) = check.findings()
    assert found.level is Level.WARNING
    assert remedy in found.text
    assert found.text.endswith(".")


def test_a_system_without_shared_memory_finds_nothing(tmp_path: Path) -> None:
    assert SharedMemory(str(tmp_path / "absent")).findings() == []


def test_free_memory_is_no_more_than_there_is() -> None:
    page = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert gib(page) in Memory(1).findings()[0].text


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_needed_and_absent_is_an_error() -> None:
    (found,) = Gpu("cluster.gpus_per_worker=1").findings()
    assert found.level is Level.ERROR
    assert found.text.startswith("cluster.gpus_per_worker=1 needs a GPU")
    assert Gpu().findings()[0].level is not Level.ERROR


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_each_gpu_is_told_after_it_has_computed() -> None:
    findings = Gpu("cluster.gpus_per_worker=1").findings()
    assert len(findings) == torch.cuda.device_count()
    assert torch.cuda.get_device_name(0) in findings[0].text
    assert findings[0].level is Level.OK
