from __future__ import annotations

import errno
import logging
import pickle

import pytest

from mtl import hiccups
from mtl.errors import AwayError, DataError
from mtl.hiccups import WAITS_S, is_hiccup, patient, words_of
from tests.data.stale_files import STALE


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr(hiccups, "sleep", seconds.append)
    return seconds


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (STALE, True),
        (OSError(errno.EIO, "Input/output error"), True),
        (TimeoutError(), True),
        (AwayError("AWS Error SLOW_DOWN"), True),
        (DataError("a.jpg is no picture"), False),
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (OSError("AWS Error SLOW_DOWN during GetObject operation"), True),
        (OSError("AWS Error NETWORK_CONNECTION: curlCode: 28, Timeout was reached"), True),
        (OSError("AWS Error ACCESS_DENIED during GetObject operation"), False),
        (OSError(errno.ENOSPC, "No space left on device", "/UNAVAILABLE/a.jpg"), False),
        (FileNotFoundError("bucket/UNAVAILABLE/a.jpg"), False),
        (PermissionError(errno.EACCES, "Permission denied"), False),
        (ValueError("SLOW_DOWN"), False),
    ],
)
def test_an_error_passes_if_the_storage_did_not_answer(error: Exception, passes: bool) -> None:
    assert is_hiccup(error) is passes


def test_a_read_waits_longer_each_time_until_it_is_answered(
    waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    errors = [STALE, STALE]

    @patient
    def read(place: str) -> str:
        if errors:
            raise errors.pop()
        return place.upper()

    with caplog.at_level(logging.WARNING):
        assert read("a") == "A"
    assert waits == [0.5, 1.0]
    assert len(caplog.records) == 1


def test_a_read_that_is_never_answered_raises_the_error_with_its_place(waits: list[float]) -> None:
    @patient
    def read(place: str) -> str:
        raise OSError(errno.ESTALE, "Stale file handle")

    with pytest.raises(AwayError, match=r"Stale file handle: 'a\.jpg'") as raised:
        read("a.jpg")
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)
    assert tuple(waits) == WAITS_S


def test_a_missing_file_is_not_waited_for(waits: list[float]) -> None:
    @patient
    def read(place: str) -> str:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", place)

    with pytest.raises(FileNotFoundError):
        read("a.jpg")
    assert waits == []


def test_a_disk_that_goes_on_failing_did_answer(waits: list[float]) -> None:
    @patient
    def read(place: str) -> str:
        raise OSError(errno.EIO, "Input/output error", place)

    with pytest.raises(OSError, match=r"Input/output error: 'a\.jpg'"):
        read("a.jpg")
    assert tuple(waits) == WAITS_S


def test_the_sentence_for_a_command_holds_the_reason() -> None:
    told = str(AwayError(words_of(STALE)))
    assert told.startswith("the storage or network did not answer ([Errno 116] Stale")
    assert words_of(TimeoutError()) == "TimeoutError"
