"""What a file that starts a cluster must not leave open: one sentence for each thing it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

SECRETS = re.compile(
    r"(AKIA|ASIA)[0-9A-Z]{16}|-----BEGIN|ghp_\w{20}|RAY_AUTH_TOKEN=|aws_secret_access_key"
    r"|aws_credentials|gcp_credentials|\b[0-9a-f]{32,}\b"
)
EVERYONE = re.compile(r"0\.0\.0\.0/0|::/0")
TOKEN_MODE = "RAY_AUTH_MODE=token"
TOKEN_FILE = "~/.ray/auth_token"
STOP_WAIT = "RAY_JOB_STOP_WAIT_TIME_S"
NO_TIME = "gives a job that is stopped no time to keep its step"
OLDEST_RAY = (2, 54)


def strings(value: object) -> Iterator[str]:
    """All text in a parsed file, keys too."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif value is not None:
        yield str(value)


def in_any_file(text: str) -> Iterator[str]:
    """Of a file as it is written, comments too."""
    if found := SECRETS.search(text):
        yield f"holds what looks like a key: {found[0][:12]}..."
    if EVERYONE.search(text):
        yield "lets everyone in"


def pinned(image: str) -> bool:
    """Whether a container image is one by its digest or its version, and never another."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return digest.startswith("sha256:") or bool(re.match(r"v?\d+\.\d+\.\d+", tag))


def cluster_violations(text: str) -> list[str]:
    """Of a file for `ray up`."""
    config = yaml.safe_load(text)
    kind = config["provider"]["type"]
    rules = [
        in_any_file(text), _token(config), _ray_version(config), _dashboard(config),
        _limits(config), _head(config, kind), _time_to_stop(config),
    ]  # fmt: skip
    if kind in MACHINES:
        rules += [
            MACHINES[kind](name, node) for name, node in config["available_node_types"].items()
        ]
        rules += [_no_way_in(config)]
    return [violation for rule in rules for violation in rule]


def _starts(config: dict[str, Any]) -> list[str]:
    commands = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    return [command for command in commands if "ray start" in command]


def _token(config: dict[str, Any]) -> Iterator[str]:
    if any(TOKEN_MODE not in command for command in _starts(config)):
        yield "starts Ray without a token"
    if not any(f"export PATH=~/venv/bin:$PATH {TOKEN_MODE}" in x for x in config["setup_commands"]):
        yield "what runs on the head does not show the token"
    if config["file_mounts"].get(TOKEN_FILE) != TOKEN_FILE:
        yield "does not bring the token"
    if f"chmod 600 {TOKEN_FILE}" not in config["setup_commands"]:
        yield "lets others read the token"


def _time_to_stop(config: dict[str, Any]) -> Iterator[str]:
    for command in _starts(config):
        if "--head" in command and f"{STOP_WAIT}=" not in command:
            yield NO_TIME


def _ray_version(config: dict[str, Any]) -> Iterator[str]:
    found = re.search(r"'ray\[[\w,]+\]==(\d+)\.(\d+)\.\d+'", " ".join(config["setup_commands"]))
    if not found:
        yield "does not pin Ray"
    elif (int(found[1]), int(found[2])) < OLDEST_RAY:
        yield "has a Ray before token authentication"


def _dashboard(config: dict[str, Any]) -> Iterator[str]:
    for command in _starts(config):
        if "--head" in command and re.findall(r"--dashboard-host=(\S+)", command) != ["127.0.0.1"]:
            yield "the dashboard does not listen on the head itself only"
        if "--ray-client-server-port" in command:
            yield "opens the Ray Client port"


def _limits(config: dict[str, Any]) -> Iterator[str]:
    if not 0 < config.get("idle_timeout_minutes", 0) <= 60:
        yield "keeps idle machines"
    if not 0 < config.get("max_workers", 0) <= 16:
        yield "may grow without bounds"


def _head(config: dict[str, Any], kind: str) -> Iterator[str]:
    if kind == "local":
        no_cpu = all("--num-cpus=0" in x for x in _starts(config) if "--head" in x)
    else:
        head = config["available_node_types"][config["head_node_type"]]
        no_cpu = head["resources"] == {"CPU": 0} and head["max_workers"] == 0
    if not no_cpu:
        yield "the head trains"


def _no_way_in(config: dict[str, Any]) -> Iterator[str]:
    if "IpPermissions" in strings(config):
        yield "opens ports"
    if not config["auth"].get("ssh_proxy_command"):
        yield "needs SSH to be open"


def _aws_machine(name: str, node: dict[str, Any]) -> Iterator[str]:
    machine = node["node_config"]
    template = machine.get("LaunchTemplate", {})
    if not str(template.get("Version", "")).isdigit():
        yield f"{name}: the machine image is not pinned"
    if "ImageId" in machine and not re.fullmatch(r"ami-[0-9a-f]{8,17}", machine["ImageId"]):
        yield f"{name}: the machine image is not pinned"
    if not template.get("LaunchTemplateName"):
        yield f"{name}: Ray would make a security group that lets everyone try SSH, and a wide role"
    if machine.get("MetadataOptions", {}).get("HttpTokens") != "required":
        yield f"{name}: the role's keys can be asked for without a session"


def _gcp_machine(name: str, node: dict[str, Any]) -> Iterator[str]:
    machine = node["node_config"]
    for disk in machine["disks"]:
        if not re.search(
            r"/images/(?!family/)\S+-v\d{8}$", disk["initializeParams"]["sourceImage"]
        ):
            yield f"{name}: the machine image is not pinned"
    networks = machine.get("networkInterfaces")
    if not networks or any("accessConfigs" in network for network in networks):
        yield f"{name}: has an address in the internet"


MACHINES = {"aws": _aws_machine, "gcp": _gcp_machine}


def stack_violations(text: str) -> list[str]:
    """Of what has to be there on AWS before the cluster."""
    return [*in_any_file(text), *_stack(yaml.safe_load(text))]


def _stack(stack: dict[str, Any]) -> Iterator[str]:
    if stack["Parameters"]["Image"]["Type"] != "AWS::EC2::Image::Id":
        yield "the machine image is not pinned"
    for name, resource in stack["Resources"].items():
        properties = resource["Properties"]
        if "SecurityGroup" in resource["Type"]:
            inside = {"Fn::GetAtt": ["SecurityGroup", "GroupId"]}
            if properties.get("SourceSecurityGroupId", inside) != inside or any(
                key.startswith(("Cidr", "SecurityGroupIngress", "SourcePrefix"))
                for key in strings(properties)
            ):
                yield f"{name}: the group is open to others"
        documents = [properties.get("PolicyDocument")]
        documents += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        for document in filter(None, documents):
            for statement in document["Statement"]:
                actions = statement["Action"]
                actions = [actions] if isinstance(actions, str) else actions
                if any("*" in action for action in actions):
                    yield f"{name}: allows more than it names"
                if statement["Resource"] == "*" and any(":Describe" not in x for x in actions):
                    yield f"{name}: allows {actions[0]} everywhere"


def job_violations(text: str) -> list[str]:
    """Of a Kubernetes manifest with one RayJob."""
    documents = list(yaml.safe_load_all(text))
    (job,) = [document["spec"] for document in documents if document["kind"] == "RayJob"]
    policies = [document["spec"] for document in documents if document["kind"] == "NetworkPolicy"]
    cluster = job["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    rules = [in_any_file(text), _job_cluster(job, cluster), _job_network(policies, groups)]
    rules += [_pod(group["template"]["spec"]) for group in groups]
    if any(document["kind"] == "Secret" for document in documents):
        rules += [iter(["holds a secret"])]
    return [violation for rule in rules for violation in rule]


def _job_cluster(job: dict[str, Any], cluster: dict[str, Any]) -> Iterator[str]:
    if cluster.get("authOptions", {}).get("mode") != "token":
        yield "starts Ray without a token"
    if tuple(int(x) for x in cluster["rayVersion"].split("."))[:2] < OLDEST_RAY:
        yield "has a Ray before token authentication"
    head = cluster["headGroupSpec"]
    if head["rayStartParams"].get("num-cpus") != "0":
        yield "the head trains"
    if head.get("serviceType") != "ClusterIP" or head.get("enableIngress"):
        yield "the dashboard has an address outside"
    if not job.get("shutdownAfterJobFinishes"):
        yield "keeps idle machines"
    containers = head["template"]["spec"]["containers"]
    if not any(one["name"] == STOP_WAIT for x in containers for one in x.get("env", [])):
        yield NO_TIME
    if any(group["maxReplicas"] > 16 for group in cluster["workerGroupSpecs"]):
        yield "may grow without bounds"


def _job_network(policies: list[dict[str, Any]], groups: list[dict[str, Any]]) -> Iterator[str]:
    for group in groups:
        labels = group["template"]["metadata"]["labels"].items()
        if not any(policy["podSelector"]["matchLabels"].items() <= labels for policy in policies):
            yield "lets every pod in"
    for policy in policies:
        for rule in policy["ingress"]:
            allowed = rule.get("from", [])
            if not allowed or any(not x.get("podSelector", {}).get("matchLabels") for x in allowed):
                yield "lets every pod in"
            if any(not _names_namespace(x.get("namespaceSelector")) for x in allowed):
                yield "lets pods of every namespace in"


def _names_namespace(selector: dict[str, Any] | None) -> bool:
    """Whether it is one namespace by its name; without a selector it is the policy's own."""
    if selector is None:
        return True
    return bool(selector.get("matchLabels", {}).get("kubernetes.io/metadata.name"))


def _pod(pod: dict[str, Any]) -> Iterator[str]:
    if not pod.get("securityContext", {}).get("runAsNonRoot") or pod.get("hostNetwork"):
        yield "a pod has more rights than it needs"
    for container in pod["containers"]:
        if not pinned(container["image"]):
            yield f"the image {container['image']} is not pinned"
        if container.get("securityContext", {}).get("allowPrivilegeEscalation", True):
            yield "a container may take more rights"
        if any("hostPort" in port for port in container.get("ports", [])):
            yield "opens ports"
        for variable in container.get("env", []):
            if "value" in variable and re.search("TOKEN|KEY|SECRET|PASS", variable["name"]):
                yield f"holds the secret {variable['name']}"
