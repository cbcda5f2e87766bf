"""How a command ends: with its work done, or with one sentence and a status that is not zero."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack

from mtl.errors import AwayError, MtlError, StoppedError
from mtl.hiccups import is_hiccup, words_of


def exit_status(carry_out: Callable[[ExitStack], None], stopped: str) -> int:
    """Run a command's work; what it started is ended whatever happens.

    Args:
        carry_out: the work; what must be undone at its end, such as a cluster that was started, it
            leaves on the stack.
        stopped: the sentence for somebody who stopped it by hand.

    Returns:
        0, 1 after an error that a user can act on, 130 after Ctrl-C, 143 where SIGTERM stopped a
        training whose state is kept.
    """
    with ExitStack() as at_end:
        try:
            carry_out(at_end)
        except StoppedError as error:
            print(error, file=sys.stderr)
            return 128 + signal.SIGTERM
        except MtlError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except BrokenPipeError:  # the terminal is gone
            raise
        except OSError as error:  # a storage or a disk says best itself what is wrong
            told = AwayError(words_of(error)) if is_hiccup(error) else error
            print(f"error: {told}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(stopped, file=sys.stderr)
            return 130
    return 0
