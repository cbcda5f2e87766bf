"""What arithmetic on a CPU is set to, in the process that asks and the threads it starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np, torch
from mtl.cpu import set_up_cpu
tiny = torch.from_numpy(np.full(1 << 20, 1e-39, dtype=np.float32))
{setting}
print(torch.get_num_threads(), int((tiny * 1).count_nonzero()))
"""


@pytest.mark.parametrize(
    ("setting", "left"), [("set_up_cpu(2)", 0), ("torch.set_num_threads(2)", 1 << 20)]
)
def test_numbers_that_slow_a_cpu_down_are_zero_in_every_thread(setting: str, left: int) -> None:
    program = [sys.executable, "-c", PROGRAM.format(setting=setting)]
    said = subprocess.run(program, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["2", str(left)]
