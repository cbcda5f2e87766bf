from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.command_runner import SSHCommandRunner
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.cluster.policy import cluster_violations, pinned, stack_violations

ROOT = Path(__file__).resolve().parents[2]
AWS, GCP, LOCAL = "ray_cluster.yaml", "cluster/gcp.yaml", "cluster/on_premises.yaml"
FILES = (AWS, GCP, LOCAL)
STACK = "cluster/aws_stack.yaml"
ADDRESS = "AKIA" + "ABCDEFGHIJKLMNOP"  # in two parts, or this file looks like a leak itself


def read(name: str) -> str:
    return (ROOT / name).read_text()


def changed(name: str, old: str, new: str) -> str:
    text = read(name)
    assert old in text
    return text.replace(old, new)


def parsed(name: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(read(name))
    return config


@pytest.mark.parametrize("name", FILES)
def test_a_cluster_file_passes_rays_own_check(name: str) -> None:
    validate_config(prepare_config(parsed(name)))


@pytest.mark.parametrize("name", FILES)
def test_a_cluster_file_keeps_to_the_policy(name: str) -> None:
    assert cluster_violations(read(name)) == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("old", "new", "violation"),
    [
        ("RAY_AUTH_MODE=token ray start --head", "ray start --head", "starts Ray without a token"),
        ("RAY_AUTH_MODE=token ray start --addr", "ray start --addr", "starts Ray without a token"),
        ("=token ray start --head", "=disabled ray start --head", "starts Ray without a token"),
        ("$PATH RAY_AUTH_MODE=token'", "$PATH'", "what runs on the head does not show the token"),
        ("RAY_JOB_STOP_WAIT_TIME_S=120 ", "", "gives a job that is stopped no time"),
        ("  ~/.ray/auth_token: ~/.ray/auth_token\n", "", "does not bring the token"),
        ("chmod 600 ~", "chmod 644 ~", "lets others read the token"),
        ("=127.0.0.1", "=0.0.0.0", "the dashboard does not listen on the head itself only"),
        (" --dashboard-host=127.0.0.1", "", "the dashboard does not listen"),
        ("--head", "--head --ray-client-server-port=10001", "opens the Ray Client port"),
        ("==2.60.0'", "'", "does not pin Ray"),
        ("==2.60.0'", "==2.51.0'", "has a Ray before token authentication"),
        ("idle_timeout_minutes: 10", "idle_timeout_minutes: 0", "keeps idle machines"),
        ("max_workers: ", "max_workers: 10", "may grow without bounds"),
        ("auth:", f"# {ADDRESS}\nauth:", f"holds what looks like a key: {ADDRESS[:12]}..."),
        ("ray start --head", "RAY_AUTH_TOKEN=x ray start --head", "holds what looks like a key"),
    ],
)  # fmt: skip
def test_a_cluster_file_that_leaves_something_open_is_found(
    name: str, old: str, new: str, violation: str
) -> None:
    found = cluster_violations(changed(name, old, new))
    assert any(each.startswith(violation) for each in found), found


@pytest.mark.parametrize(
    ("name", "old", "new", "violation"),
    [
        (AWS, "resources: {CPU: 0}", "resources: {CPU: 4}", "the head trains"),
        (GCP, "resources: {CPU: 0}", "resources: {CPU: 0, GPU: 1}", "the head trains"),
        (LOCAL, "--num-cpus=0", "", "the head trains"),
        (AWS, 'maritime-mtl-head, Version: "1"', "maritime-mtl-head, Version: $Latest",
         "head: the machine image is not pinned"),
        (AWS, "InstanceType: c7i", "ImageId: resolve:ssm:/x/latest/ami-id\n      InstanceType: c7i",
         "cpu_worker: the machine image is not pinned"),
        (AWS, "LaunchTemplate: {LaunchTemplateName: maritime-mtl-head", "Unused: {Name: x",
         "head: Ray would make a security group"),
        (AWS, "HttpTokens: required", "HttpTokens: optional", "gpu_worker: the role's keys"),
        (AWS, "  cache_stopped", "  security_group: {IpPermissions: []}\n  cache_stopped",
         "opens ports"),
        (AWS, "upscaling_speed", "# 0.0.0.0/0\nupscaling_speed", "lets everyone in"),
        (AWS, "ssh_proxy_command: >-", "unused: >-", "needs SSH to be open"),
        (GCP, "-v20260825", "", "head: the machine image is not pinned"),
        (GCP, "images/ubuntu", "images/family/ubuntu", "head: the machine image is not pinned"),
        (GCP, "      networkInterfaces: *network\n", "", "gpu_worker: has an address"),
        (GCP, "works/maritime-mtl", "works/maritime-mtl\n          accessConfigs: [{}]",
         "head: has an address in the internet"),
    ],
)  # fmt: skip
def test_what_a_provider_would_leave_open_is_found(
    name: str, old: str, new: str, violation: str
) -> None:
    found = cluster_violations(changed(name, old, new))
    assert any(each.startswith(violation) for each in found), found


def test_the_stack_keeps_to_the_policy() -> None:
    assert stack_violations(read(STACK)) == []


@pytest.mark.parametrize(
    ("old", "new", "violation"),
    [
        ('IpProtocol: "-1"', 'IpProtocol: "-1"\n      CidrIp: 10.0.0.0/8', "SecurityGroupInside"),
        ('SourceSecurityGroupId: {"Fn::GetAtt": [SecurityGroup, GroupId]}',
         "SourceSecurityGroupId: sg-other", "SecurityGroupInside: the group is open"),
        ("s3:PutObject", "s3:*", "BucketAccess: allows more than it names"),
        ("ec2:DescribeInstances,", "ec2:RunInstances,", "HeadRole: allows ec2:RunInstances"),
        ("Type: AWS::EC2::Image::Id", "Type: AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
         "the machine image is not pinned"),
    ],
)  # fmt: skip
def test_a_stack_that_allows_too_much_is_found(old: str, new: str, violation: str) -> None:
    found = stack_violations(changed(STACK, old, new))
    assert any(each.startswith(violation) for each in found), found


def test_the_stack_makes_what_the_cluster_file_names() -> None:
    resources = parsed(STACK)["Resources"].values()
    made = {x["Properties"].get("LaunchTemplateName") for x in resources} - {None}
    config = parsed(AWS)
    machines = [node["node_config"] for node in config["available_node_types"].values()]
    assert {machine["LaunchTemplate"]["LaunchTemplateName"] for machine in machines} == made
    assert read(STACK).count(f'/ray-cluster-name": {config["cluster_name"]}}}') == 2


def test_images_are_pinned_by_version_or_digest_only() -> None:
    assert pinned("rayproject/ray:2.60.0-py311-gpu")
    assert pinned("localhost:5000/ray@sha256:" + "0" * 64)
    for image in (
        "rayproject/ray",
        "rayproject/ray:latest",
        "localhost:5000/ray",
        "ray:2",
        "ray:nightly",
    ):
        assert not pinned(image), image
    (base,) = [x for x in read("cluster/Dockerfile").splitlines() if x.startswith("FROM ")]
    assert pinned(base.split()[1])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_a_cluster_file_brings_the_code_and_nothing_heavy(name: str, tmp_path: Path) -> None:
    config = parsed(name)
    source, target = tmp_path / "source", tmp_path / "node"
    for file in ("pyproject.toml", "mtl/data/index.py", "cluster/train.py", "runs/a/x", "data/y"):
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_text("")
    (source / ".git").mkdir()
    (source / ".git" / "config").write_text("")
    (source / ".gitignore").write_text(read(".gitignore"))
    options = {key: config[key] for key in ("rsync_exclude", "rsync_filter")}
    # Ray's own words for rsync; the method needs no connection.
    words = SSHCommandRunner._create_rsync_filter_args(None, options)
    subprocess.run(["rsync", *words, "-avz", f"{source}/", f"{target}/"], check=True)
    arrived = {str(file.relative_to(target)) for file in target.rglob("*") if file.is_file()}
    wanted = {"pyproject.toml", "mtl/data/index.py", "cluster/train.py", ".gitignore"}
    assert arrived == wanted


@pytest.mark.parametrize("name", FILES)
def test_a_cluster_file_installs_the_code_where_it_brings_it(name: str) -> None:
    config = parsed(name)
    (place,) = [remote for remote, local in config["file_mounts"].items() if local == "."]
    assert any(
        "pip install --quiet 'ray" in x and f"-e {place}" in x for x in config["setup_commands"]
    )


def test_the_script_runs_alone_as_ray_submit_copies_it(tmp_path: Path) -> None:
    script = shutil.copy(ROOT / "cluster" / "train.py", tmp_path / "train.py")
    result = subprocess.run(
        [sys.executable, script, "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "usage: python cluster/train.py" in result.stdout
