"""Errors of a storage that is busy or away for a while, and reads that wait until it is back.

A missing file, a missing right or a full disk stays what it is. A storage that is away says nothing
about the data, so nothing is left out because of it: what is raised then is no `OSError`, which
readers take for a bad file.
"""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import Callable
from time import sleep
from typing import TypeVar

from mtl.errors import AwayError

_LOG = logging.getLogger(__name__)

Read = TypeVar("Read")

PASSING = {
    errno.EIO, errno.EAGAIN, errno.EBUSY, errno.ESTALE, errno.ETIMEDOUT, errno.ENETDOWN,
    errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ECONNABORTED, errno.ECONNREFUSED,
    errno.ECONNRESET,
}  # fmt: skip
"""System errors of a storage that is away."""
REMOTE = (
    "SLOW_DOWN", "THROTTLING", "SERVICE_UNAVAILABLE", "UNAVAILABLE", "INTERNAL_FAILURE",
    "NETWORK_CONNECTION", "REQUEST_TIMEOUT", "curlCode", "Connection reset",
)  # fmt: skip
"""What Arrow's messages hold when an object store is busy or away; they carry no error number."""
FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""What a storage says that did answer; their messages may be no more than the file's name."""
WAITS_S = (0.5, 1.0, 2.0, 4.0)
"""Before the second try, the third and so on."""


def is_hiccup(error: BaseException) -> bool:
    """Whether the same call may succeed when it is made again later."""
    if isinstance(error, AwayError):
        return True
    if not isinstance(error, OSError) or isinstance(error, FINAL):
        return False
    if isinstance(error, (ConnectionError, TimeoutError)) or error.errno in PASSING:
        return True
    return error.errno is None and any(word in str(error) for word in REMOTE)


def is_away(error: BaseException) -> bool:
    """Whether the storage does not answer; a disk that goes on answering EIO is damaged there."""
    return is_hiccup(error) and not (isinstance(error, OSError) and error.errno == errno.EIO)


def patient(read: Callable[[str], Read]) -> Callable[[str], Read]:
    """The same read of a place, tried again after each of `WAITS_S` while its errors pass.

    Raises:
        AwayError: the last try did not get an answer either.
        OSError: the storage did answer.
    """

    @functools.wraps(read)
    def tried(place: str) -> Read:
        for number, wait_s in enumerate(WAITS_S):
            try:
                return read(place)
            except OSError as error:
                if not is_hiccup(error):
                    raise
                if number == 0:
                    _LOG.warning("%s did not answer and is tried again (%s).", place, error)
            sleep(wait_s)
        try:
            return read(place)
        except OSError as error:
            if error.filename is None and error.errno is not None:
                error.filename = place
            if not is_away(error):
                raise
            raise AwayError(words_of(error)) from error

    return tried


def words_of(error: BaseException) -> str:
    """What an error says, in one line; its name where it says nothing."""
    if isinstance(error, AwayError):
        return error.reason
    return " ".join(str(error).split()) or type(error).__name__
