"""Whether the weights that a run starts from are there and fit."""

from __future__ import annotations

from pathlib import Path

from mtl.config.run import RunConfig
from mtl.doctor.finding import Finding, Level
from mtl.errors import ConfigError, MtlError
from mtl.models.weights import check_start


def check_init(config: RunConfig) -> None:
    """Refuse weights to start from that the model cannot take; a resumed run has its own.

    Raises:
        ConfigError: a run that only validates has no weights to do it with.
        CheckpointError: `model.init` cannot be read here, or does not fit the model.
    """
    if config.resume:
        return
    init = config.model.init
    if init is None:
        if not config.trains:
            raise ConfigError(
                "mode=pretrained validates and tracks with weights as they are; "
                "give model.init=PATH of an import or a run."
            )
        return
    if "://" in init:
        raise ConfigError(
            f"model.init={init} must be a path on a disk that every node reaches; download it."
        )
    check_start(config, Path(init))


def weight_findings(config: RunConfig) -> list[Finding]:
    """As `check_init`; of a run that begins with seeded weights nothing."""
    try:
        check_init(config)
    except MtlError as error:
        return [Finding("weights", Level.ERROR, str(error))]
    init = config.model.init
    return [Finding("weights", Level.OK, f"{init} fits the model")] if init else []
