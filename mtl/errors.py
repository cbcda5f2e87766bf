"""The errors a user can act on. Each message is one sentence: what, where, and what to do.

All of them pickle (Ray carries them from worker to driver), so `args` is the whole state.
"""

from __future__ import annotations


class MtlError(Exception):
    """Base of every error this project raises on purpose; commands print it and exit 1."""


class ConfigError(MtlError):
    """A configuration key or value is wrong."""


class DataError(MtlError):
    """A file or record that came from disk or network is unusable."""


class AwayError(MtlError):
    """A storage or the network does not answer: nothing is known of what lies there.

    Args:
        reason: what the storage's client says.
    """

    @property
    def reason(self) -> str:
        """What the storage's client says."""
        return str(self.args[0])

    def __str__(self) -> str:
        return (
            f"the storage or network did not answer ({self.reason}); start the command again when "
            "it does."
        )


class ShapeError(MtlError):
    """Arrays that belong together do not fit together."""


class NonFiniteLossError(MtlError):
    """A loss or gradient became NaN or infinite; no weight has moved."""


class StoppedError(MtlError):
    """The run was asked to end before its time, and its state is kept."""


class ResourceError(MtlError):
    """The cluster cannot place what was asked for."""


class RunExistsError(MtlError):
    """A run of this name exists and `resume=true` was not given."""


class CheckpointError(MtlError):
    """A checkpoint is incomplete, of another model, or cannot be read."""


class UnfinishedCheckpointError(CheckpointError):
    """A checkpoint's writing was interrupted, so it never was one."""


class ExportError(MtlError):
    """A program cannot be written, or does not do what its model does."""


class GradientError(MtlError):
    """Gradients that must add up do not."""
