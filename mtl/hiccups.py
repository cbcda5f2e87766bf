"""Errors of a storage that is busy or away for a while, and reads that wait until it is back.

A missing file, a missing right or a full disk stays what it is; an error that passes says nothing
about the data, so nothing is left out because of it.
"""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import Callable
from time import sleep
from typing import TypeVar

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
    if not isinstance(error, OSError) or isinstance(error, FINAL):
        return False
    if isinstance(error, (ConnectionError, TimeoutError)) or error.errno in PASSING:
        return True
    return error.errno is None and any(word in str(error) for word in REMOTE)


def patient(read: Callable[[str], Read]) -> Callable[[str], Read]:
    """The same read of a place, tried again after each of `WAITS_S` while its errors pass.

    What the last try raises is raised as it is, with the place where the system did not give it.
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
            raise

    return tried


def no_answer(error: OSError) -> str:
    """A sentence about an error that passes, for whoever started a command."""
    told = " ".join(str(error).split()) or type(error).__name__
    return f"the storage or network did not answer ({told}); start the command again when it does."
