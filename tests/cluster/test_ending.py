from __future__ import annotations

from contextlib import ExitStack

import pytest

from cluster.ending import exit_status
from mtl.errors import DataError, StoppedError


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (DataError("a.jpg is no image"), 1, "error: a.jpg is no image\n"),
        (OSError("AWS Error ACCESS_DENIED"), 1, "error: AWS Error ACCESS_DENIED\n"),
        (StoppedError("stopped at step 3 of 9"), 143, "stopped at step 3 of 9\n"),
        (KeyboardInterrupt(), 130, "stopped by hand\n"),
    ],
)
def test_a_command_ends_with_one_sentence_and_its_status(
    error: BaseException, status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[str] = []

    def carry_out(at_end: ExitStack) -> None:
        at_end.callback(ended.append, "cluster")
        raise error

    assert exit_status(carry_out, "stopped by hand") == status
    assert capsys.readouterr().err == told
    assert ended == ["cluster"]


def test_a_command_that_did_its_work_ends_with_0() -> None:
    assert exit_status(lambda at_end: None, "stopped by hand") == 0
