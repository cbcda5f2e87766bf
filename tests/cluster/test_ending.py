from __future__ import annotations

import errno
from contextlib import ExitStack

import pytest

from cluster.ending import exit_status
from mtl.errors import DataError, StoppedError


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (DataError("a.jpg is no image"), 1, "error: a.jpg is no image\n"),
        (OSError("AWS Error ACCESS_DENIED"), 1, "error: AWS Error ACCESS_DENIED\n"),
        (
            TimeoutError(errno.ETIMEDOUT, "Connection timed out", "a.jpg"),
            1,
            "error: the storage or network did not answer ([Errno 110] Connection timed out: "
            "'a.jpg'); start the command again when it does.\n",
        ),
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


def test_a_terminal_that_is_gone_is_nothing_to_tell_it() -> None:
    def carry_out(at_end: ExitStack) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        exit_status(carry_out, "stopped by hand")
