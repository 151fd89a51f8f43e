"""What `palm serve` withstands: slow, large, broken and missing clients, other users, and more work than it can do."""

import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.served_tasks import ENGLISH, train_all
from tests.integration.server_process import Load, Running, in_parallel, need_the_extra, read_all, send_until, serving

need_the_extra()

BODY = json.dumps({"inputs": [ENGLISH], "tasks": ["intent"]}).encode()
HEAD = b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
TOKEN = "a-token-with-32-characters-0123456"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_all(tmp_path_factory.mktemp("limits"), steps=12)


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[Running]:
    with serving(run, "--body_timeout", "1", "--max_bytes", "20000", "--tasks", "intent,slots,answers") as running:
        yield running


def answers(server: Running) -> None:
    """It predicts, at once."""
    began = time.monotonic()
    assert server.ask("/predict", raw=BODY)[0] == 200
    assert time.monotonic() - began < 5


def status_of(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


def json_of(response: bytes) -> dict[str, dict[str, str]]:
    found = json.loads(response.partition(b"\r\n\r\n")[2])
    assert isinstance(found, dict)
    return found


def test_a_body_that_is_too_large_by_its_length(server: Running) -> None:
    body = b'{"inputs": ["' + b"x" * 30_000 + b'"]}'
    status, answer, headers = server.ask("/predict", raw=body)
    assert (status, headers["connection"]) == (413, "close")
    assert "at most 20,000 bytes" in answer["error"]["rule"]
    # Whoever asks before sending gets the answer without sending.
    head = HEAD + b"expect: 100-continue\r\ncontent-length: 999999999999\r\n\r\n"
    assert status_of(server.send(head)) == 413
    answers(server)


def test_a_body_without_a_length_that_is_too_large(server: Running) -> None:
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    response = server.send(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk * 4 + b"0\r\n\r\n")
    assert status_of(response) == 413
    assert "at most 20,000 bytes" in json_of(response)["error"]["rule"]
    answers(server)


def test_a_body_in_chunks_is_read(server: Running) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (1, BODY[place : place + 1]) for place in range(len(BODY)))
    response = server.send(HEAD + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert status_of(response) == 200


def test_a_body_that_is_slow(server: Running) -> None:
    began = time.monotonic()
    response = server.send(HEAD + b"content-length: 100\r\n\r\n{")
    assert status_of(response) == 408
    assert "within 1 seconds" in json_of(response)["error"]["rule"]
    assert time.monotonic() - began < 10
    answers(server)


def test_heads_that_never_end(server: Running) -> None:
    """Slowloris: many connections, a byte of a header line now and then."""
    connections = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(100)]
    for connection in connections:
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: localhost\r\n")
    answers(server)
    began = time.monotonic()
    for connection in connections[:10]:
        connection.sendall(b"x-a: b\r\n")  # keeps none of them open
    answers(server)
    responses = [read_all(connection) for connection in connections]
    assert {status_of(response) for response in responses} == {408}
    assert time.monotonic() - began < 10
    for connection in connections:
        connection.close()


def test_a_connection_that_says_nothing_is_closed(server: Running) -> None:
    assert server.send(b"") == b""


def test_a_head_on_a_kept_connection_is_not_waited_for_longer(server: Running) -> None:
    request = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        time.sleep(0.3)
        connection.sendall(b"GET /healthz HTT")
        response = read_all(connection)
    assert response.count(b"HTTP/1.1 200") == 1
    assert response.count(b"HTTP/1.1 408") == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),  # TLS
        b"\x00" * 200,
        b"GET /\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nlong: " + b"x" * 100_000,
    ],
)
def test_what_is_no_http_is_answered_and_closed(server: Running, data: bytes) -> None:
    response = server.send(data)
    assert response == b"" or 400 <= status_of(response) < 500
    if response:
        assert "rule" in json_of(response)["error"]
    answers(server)


def test_clients_that_go_away_cost_nothing(server: Running) -> None:
    rows = [ENGLISH + " the red fish" * 20] * 32
    body = json.dumps({"inputs": rows, "tasks": ["intent", "slots"]}).encode()
    request = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(request)
    answers(server)
    assert not any("Traceback" in line for line in server.log)


def test_more_work_than_fits_is_refused_with_a_time_to_try_again(run: Path) -> None:
    with serving(run, "--max_waiting", "2", "--tasks", "answers") as server:
        row = {"question": "who in the river", "context": (ENGLISH + " . ") * 60}
        load, stop = Load(), threading.Event()
        clients = in_parallel(16, lambda _: send_until(server.port, [{"inputs": [row] * 8}], stop, load))
        time.sleep(4)
        assert server.ask("/healthz")[0] == 200
        stop.set()
        for client in clients:
            client.join(60)
        statuses = [status for status, _ in load.answers]
        assert set(statuses) == {200, 429}
        assert load.unanswered == []
        refused = next(content for status, content in load.answers if status == 429)
        assert "at most 2 requests wait" in refused["error"]["rule"]


def test_a_request_that_waits_too_long(run: Path) -> None:
    with serving(run, "--timeout", "0.001", "--tasks", "answers") as server:
        row = {"question": "who in the river", "context": (ENGLISH + " . ") * 100}
        status, answer, headers = server.ask("/predict", {"inputs": [row] * 4})
        assert (status, headers["retry-after"]) == (503, "1")
        assert "waits for at most" in answer["error"]["rule"]
        assert server.stop() == 0


def test_a_token_on_every_path_but_health_and_the_page(run: Path) -> None:
    options = ("--host", "0.0.0.0", "--tasks", "intent")
    with serving(run, *options, environment={"PALM_TOKEN": TOKEN}) as server:
        for path in ("/healthz", "/v2/health/live", "/v2/health/ready"):
            assert server.ask(path)[0] == 200
        for path in ("/", "/page.js", "/page.css"):
            assert server.ask(path)[0] == 200
        for path in ("/info", "/metrics", "/openapi.json", "/v2", "/nothing", "/healthz/"):
            status, _, headers = server.ask(path)
            assert status == 401, path
            assert headers["www-authenticate"] == 'Bearer realm="palm"'
        basic = base64.b64encode(f"user:{TOKEN}".encode()).decode()
        wrong = base64.b64encode(b"user:" + TOKEN[:-1].encode()).decode()
        for value, status in [
            (f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), (f"Basic {basic}", 200), (f"Basic {wrong}", 401),
            (f"Bearer {TOKEN}x", 401), (f"Bearer {TOKEN[:-1]}", 401), ("Bearer ", 401), (TOKEN, 401),
            ("Basic ???", 401), ("Bearer \xff", 401),
        ]:  # fmt: skip
            assert server.ask("/info", headers={"authorization": value})[0] == status, value
        assert server.ask("/predict", raw=BODY)[0] == 401
        assert server.ask("/predict", raw=BODY, headers={"authorization": f"Bearer {TOKEN}"})[0] == 200
        assert TOKEN not in "".join(server.log)


def test_without_a_token_requests_name_this_machine(server: Running) -> None:
    """DNS rebinding: a page of another site has its own name resolve to 127.0.0.1, and a browser here asks for it."""
    for path in ("/", "/info", "/healthz"):
        status, told, headers = server.ask(path, headers={"host": "evil.example:8000"})
        assert status == 403
        assert told["error"]["where"] == "Host"
        assert "evil.example" in told["error"]["found"]
        assert "content-security-policy" in headers
        for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert server.ask(path, headers={"host": host})[0] == 200
    assert status_of(server.send(b"GET /healthz HTTP/1.0\r\n\r\n")) == 200


def test_with_a_token_or_in_words_any_name_may_be_asked_for(run: Path) -> None:
    sent = {"host": "palm.example", "authorization": f"Bearer {TOKEN}"}
    for options in (["--token", TOKEN], ["--no_auth"]):
        with serving(run, "--tasks", "intent", *options) as server:
            assert server.ask("/info", headers=sent)[0] == 200
