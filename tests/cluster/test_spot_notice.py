"""The notice of a cloud, asked of a server that answers as its metadata server does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cluster.spot_notice import GCP_LEFT_S, NOTICES, aws_notice, gcp_notice, main

TOKEN = "a token"


class Metadata(ThreadingHTTPServer):
    """Knows of a notice once `notice` holds one."""

    notice: dict[str, str]
    asked: int = 0


class Answer(BaseHTTPRequestHandler):
    server: Metadata

    def do_PUT(self) -> None:
        self._say(TOKEN if "X-aws-ec2-metadata-token-ttl-seconds" in self.headers else None)

    def do_GET(self) -> None:
        self.server.asked += 1
        known = self.headers.get("X-aws-ec2-metadata-token") == TOKEN
        known |= self.headers.get("Metadata-Flavor") == "Google"
        self._say(self.server.notice.get(self.path) if known else None, 404 if known else 401)

    def _say(self, text: str | None, otherwise: int = 400) -> None:
        self.send_response(200 if text is not None else otherwise)
        self.end_headers()
        self.wfile.write((text or "").encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    server = Metadata(("127.0.0.1", 0), Answer)
    server.notice = {}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def address(server: Metadata) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def aws_says(server: Metadata, seconds: int) -> None:
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    told = f'{{"action": "terminate", "time": "{moment:%Y-%m-%dT%H:%M:%SZ}"}}'
    server.notice["/latest/meta-data/spot/instance-action"] = told


def test_ec2_says_when_it_takes_a_machine(metadata: Metadata) -> None:
    assert aws_notice(address(metadata)) is None
    aws_says(metadata, 120)
    left = aws_notice(address(metadata))
    assert left is not None
    assert 110 <= left <= 120


def test_a_moment_that_has_passed_is_now(metadata: Metadata) -> None:
    aws_says(metadata, -5)
    assert aws_notice(address(metadata)) == 1


def test_compute_engine_says_that_it_takes_a_machine(metadata: Metadata) -> None:
    place = "/computeMetadata/v1/instance/preempted"
    metadata.notice[place] = "FALSE"
    assert gcp_notice(address(metadata)) is None
    metadata.notice[place] = "TRUE\n"
    assert gcp_notice(address(metadata)) == GCP_LEFT_S


def test_the_node_is_drained_once_the_notice_is_there(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained: list[int] = []

    def drain(left: int) -> int:
        drained.append(left)
        return 0

    monkeypatch.setattr("cluster.spot_notice.drain", drain)
    threading.Timer(0.3, aws_says, [metadata, 100]).start()
    assert main(["aws", "--server", address(metadata), "--every", "0.05"]) == 0
    (left,) = drained
    assert 90 <= left <= 100
    assert metadata.asked > 2


def test_a_server_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[object] = [ConnectionRefusedError(), ValueError("no JSON"), 60]

    def notice(_: str) -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, int)
        return answer

    monkeypatch.setitem(NOTICES, "aws", notice)
    monkeypatch.setattr("cluster.spot_notice.drain", lambda left: left)
    assert main(["aws", "--every", "0"]) == 60
