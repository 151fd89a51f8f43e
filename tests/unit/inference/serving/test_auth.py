"""The token of requests."""

import base64

import pytest

from palm.inference.serving.auth import HEALTH_PATHS, check_token
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
    assert TOKEN not in str(refused.value.content)


def test_health_needs_none():
    for path in HEALTH_PATHS:
        check_token(path, [], TOKEN)


def test_a_server_without_one_asks_for_none():
    check_token("/predict", [], None)
