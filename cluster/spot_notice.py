"""Tells Ray that a spot machine will be taken away: `python cluster/spot_notice.py aws|gcp`.

The cluster files start it on each of their machines beside Ray. It asks the cloud's metadata server
every few seconds; at the notice it drains the node it runs on, so a run keeps its state at once
(`cluster.leaving`), and ends. On a machine that is no spot machine it asks in vain, which costs
nothing. Sources: the instance metadata pages on spot interruptions of Amazon EC2 and on preemption
of Google Compute Engine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

AWS = "http://169.254.169.254"
GCP = "http://metadata.google.internal"
ASK_S = 5.0
"""Seconds between two questions; EC2 says it two minutes ahead, Compute Engine 30 s."""
GCP_LEFT_S = 30
TIMEOUT_S = 3.0


def aws_notice(server: str = AWS) -> int | None:
    """Seconds until EC2 takes this machine; none: it has not said so.

    Raises:
        OSError: the metadata server does not answer.
    """
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = _answer(Request(f"{server}/latest/api/token", headers=lifetime, method="PUT"))
    place = f"{server}/latest/meta-data/spot/instance-action"
    told = _answer(Request(place, headers={"X-aws-ec2-metadata-token": token or ""}))
    if told is None:
        return None
    moment = datetime.strptime(json.loads(told)["time"], "%Y-%m-%dT%H:%M:%SZ")
    left = moment.replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)
    return max(1, int(left.total_seconds()))


def gcp_notice(server: str = GCP) -> int | None:
    """Seconds until Compute Engine takes this machine; none: it has not said so.

    Raises:
        OSError: the metadata server does not answer.
    """
    place = f"{server}/computeMetadata/v1/instance/preempted"
    told = _answer(Request(place, headers={"Metadata-Flavor": "Google"}))
    return GCP_LEFT_S if told == "TRUE" else None


NOTICES: dict[str, Callable[[str], int | None]] = {"aws": aws_notice, "gcp": gcp_notice}
SERVERS = {"aws": AWS, "gcp": GCP}


def main(arguments: list[str] | None = None) -> int:
    """Wait for the notice, pass it on; returns the status of `ray drain-node`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("cloud", choices=sorted(NOTICES))
    parser.add_argument("--server", help="another address of the metadata server")
    parser.add_argument("--every", type=float, default=ASK_S, help="seconds between two questions")
    options = parser.parse_args(arguments)
    server = options.server or SERVERS[options.cloud]
    while True:
        try:
            left = NOTICES[options.cloud](server)
        except (OSError, ValueError, KeyError):  # away for a moment, or not to be understood
            left = None
        if left is not None:
            return drain(left)
        time.sleep(options.every)


def drain(seconds: int) -> int:
    """Tell Ray that the node of this process goes in so many seconds."""
    ray = Path(sys.executable).parent / "ray"
    words = ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot notice"]
    deadline = ["--deadline-remaining-seconds", str(seconds)]
    return subprocess.run([str(ray), "drain-node", *words, *deadline]).returncode


def _answer(request: Request) -> str | None:
    """Body of the answer; none: there is nothing at that place."""
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:
            text: str = answer.read().decode()
            return text.strip()
    except HTTPError as error:
        if error.code == 404:
            return None
        raise


if __name__ == "__main__":
    sys.exit(main())
