"""The token of requests."""

import base64

import pytest

from palm.inference.serving.auth import HEALTH_PATHS, check_host, check_token
from palm.inference.serving.errors import HttpError

TOKEN = "a-token-0123456789"


def sent(value: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), (b"authorization", value)]


def basic(user: bytes, password: bytes) -> bytes:
    return b"Basic " + base64.b64encode(user + b":" + password)


@pytest.mark.parametrize(
    "value", [b"Bearer " + TOKEN.encode(), b"bEARER  " + TOKEN.encode(), basic(b"", TOKEN.encode())]
)
def test_the_token_lets_a_request_in(value):
    check_token("/predict", sent(value), TOKEN)


@pytest.mark.parametrize(
    "headers",
    [
        [], sent(b""), sent(b"Bearer"), sent(b"Bearer x"), sent(TOKEN.encode()), sent(b"Basic " + TOKEN.encode()),
        sent(basic(TOKEN.encode(), b"")), sent(b"Bearer \xff\xfe"), sent(b"Digest " + TOKEN.encode()),
        sent(b"Bearer " + TOKEN.encode()) * 2, sent(b"Bearer " + TOKEN.encode() + b"\xe4"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/predict", "/healthz/", "/healthz%00", "/HEALTHZ", "/v2/health/live/x"])
def test_nothing_else_does(headers, path):
    with pytest.raises(HttpError) as refused:
        check_token(path, headers, TOKEN)
    assert refused.value.status == 401
    assert TOKEN not in str(refused.value.content())


def test_health_needs_none():
    for path in HEALTH_PATHS:
        check_token(path, [], TOKEN)


def test_a_server_without_one_asks_for_none():
    check_token("/predict", [], None)


@pytest.mark.parametrize(
    "host", [b"localhost", b"LocalHost:8000", b"127.0.0.1:80", b"127.1.2.3", b"[::1]:8000", b"[::1]", b"localhost."]
)
def test_requests_that_name_this_machine_need_no_token(host):
    check_host([(b"host", host)], "127.0.0.1")
    check_host([], "127.0.0.1")  # no browser leaves the header out


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example", b"127.0.0.1.evil.example", b"localhost.evil.example:8000", b"evil@127.0.0.1", b"", b"[::2]",
        b"0.0.0.0", b"127.0.0.1:80:80", b"localhost/", b"\xff", "本机".encode(), b"192.168.1.2:8000",
    ],
)  # fmt: skip
def test_names_that_may_stand_for_this_machine_are_refused(host):
    with pytest.raises(HttpError) as refused:
        check_host([(b"host", host)], "127.0.0.1")
    assert refused.value.status == 403
    assert "--no-auth" in refused.value.content()["error"]["advice"]
    check_host([(b"host", host)], None)


def test_two_names_are_both_checked_and_the_bound_one_is_known():
    with pytest.raises(HttpError):
        check_host([(b"host", b"localhost"), (b"host", b"evil.example")], "127.0.0.1")
    check_host([(b"host", b"palm.internal:8000")], "palm.internal")
