from __future__ import annotations

from pathlib import Path

import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).resolve().parents[2]


def test_the_cluster_file_passes_rays_own_check() -> None:
    config = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())
    validate_config(prepare_config(config))


def test_the_cluster_file_brings_and_installs_the_code_and_hides_the_dashboard() -> None:
    config = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text())
    (place,) = config["file_mounts"]
    assert any(f"pip install -e {place}" in command for command in config["setup_commands"])
    assert "--dashboard-host=127.0.0.1" in " ".join(config["head_start_ray_commands"])
