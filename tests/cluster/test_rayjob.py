from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.cluster.policy import job_violations

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "cluster" / "rayjob.yaml").read_text()
SCHEMA = Draft202012Validator(
    json.loads(Path(__file__).with_name("rayjob.schema.json").read_text())
)


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


def errors(text: str) -> list[str]:
    (job,) = [each for each in yaml.safe_load_all(text) if each["kind"] == "RayJob"]
    return [error.message for error in SCHEMA.iter_errors(job)]


def test_the_job_has_only_fields_that_kuberay_knows() -> None:
    assert errors(TEXT) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("submissionMode", "submitMode", "'submitMode' was unexpected"),
        ("HTTPMode", "HttpMode", "'HttpMode' is not one of"),
        ('num-cpus: "0"', "num-cpus: 0", "0 is not of type 'string'"),
        ("  entrypoint: >-", "  note: >-", "'entrypoint' is a required property"),
        ("{mode: token}", "{mode: tokens}", "'tokens' is not one of"),
        ('cpu: "2"', "cpu: 2", "2 is not of type 'string'"),
    ],
)
def test_a_misspelt_job_is_found(old: str, new: str, message: str) -> None:
    assert message in " ".join(errors(changed(old, new)))


def test_the_job_keeps_to_the_policy() -> None:
    assert job_violations(TEXT) == []


@pytest.mark.parametrize(
    ("old", "new", "violation"),
    [
        ("{mode: token}", "{mode: disabled}", "starts Ray without a token"),
        ("    authOptions: {mode: token}", "    #", "starts Ray without a token"),
        ("rayVersion: 2.60.0", "rayVersion: 2.50.0", "has a Ray before token authentication"),
        (', num-cpus: "0"', "", "the head trains"),
        ("serviceType: ClusterIP", "serviceType: LoadBalancer", "the dashboard has an address"),
        ("serviceType: Cl", "enableIngress: true\n      serviceType: Cl",
         "the dashboard has an address outside"),
        ("mtl:0.1.0\n              sec", "mtl:latest\n              sec", "the image REGISTRY"),
        ("kind: NetworkPolicy", "kind: Nothing", "lets every pod in"),
        ("part-of: maritime-mtl}\n          spec", "part-of: x}\n          spec", "lets every pod"),
        ("\n            matchLabels: {app.kubernetes.io/name: kuberay-operator}", " {}",
         "lets every pod in"),
        ("{kubernetes.io/metadata.name: ray-system}", "{}", "lets pods of every namespace in"),
        ("kubernetes.io/metadata.name: ray-system", "team: vision",
         "lets pods of every namespace in"),
        ("runAsNonRoot: true", "runAsNonRoot: false", "a pod has more rights"),
        ("allowPrivilegeEscalation: false", "privileged: true", "a container may take more rights"),
        ("            - name: ray-head\n",
         "            - name: ray-head\n              ports: [{containerPort: 80, hostPort: 80}]\n",
         "opens ports"),
        ("                - {name: RAY_JOB_STOP_WAIT_TIME_S",
         "                - {name: RAY_AUTH_TOKEN, value: x}\n"
         "                - {name: RAY_JOB_STOP_WAIT_TIME_S",
         "holds the secret RAY_AUTH_TOKEN"),
        ("RAY_JOB_STOP_WAIT_TIME_S", "OTHER", "gives a job that is stopped no time"),
        ("apiVersion: v1\nkind: ServiceAccount", "apiVersion: v1\nkind: Secret", "holds a secret"),
        ("shutdownAfterJobFinishes: true", "shutdownAfterJobFinishes: no", "keeps idle machines"),
        ("maxReplicas: 4", "maxReplicas: 400", "may grow without bounds"),
    ],
)  # fmt: skip
def test_a_job_that_leaves_something_open_is_found(old: str, new: str, violation: str) -> None:
    found = job_violations(changed(old, new))
    assert any(each.startswith(violation) for each in found), found


def test_every_file_has_the_same_ray() -> None:
    versions = set()
    for name in ("ray_cluster.yaml", "gcp.yaml", "on_premises.yaml", "rayjob.yaml", "Dockerfile"):
        text = (ROOT / name if name == "ray_cluster.yaml" else ROOT / "cluster" / name).read_text()
        pattern = r"(?:ray\[[\w,]+\]==|rayVersion: |rayproject/ray:)(\d+\.\d+\.\d+)"
        versions |= set(re.findall(pattern, text))
    assert len(versions) == 1
