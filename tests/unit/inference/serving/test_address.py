"""Addresses that other machines reach need a token, or the user's word."""

import pytest

from palm.errors import ConfigError
from palm.inference.serving.address import address_of, bind, check_address, is_loopback, token_of


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1"])
def test_this_machine_alone(host):
    assert is_loopback(host)
    check_address(host, None, no_auth=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.org", "127.0.0.1.example.org", ""])
def test_other_machines_need_a_token_or_a_word(host):
    assert not is_loopback(host)
    with pytest.raises(ConfigError, match="needs a token"):
        check_address(host, None, no_auth=False)
    check_address(host, "a-good-token", no_auth=False)
    check_address(host, None, no_auth=True)


def test_both_are_refused():
    with pytest.raises(ConfigError, match="Remove one of them"):
        check_address("127.0.0.1", "a-good-token", no_auth=True)


def test_where_a_token_comes_from(tmp_path, monkeypatch):
    file = tmp_path / "令牌"
    file.write_text("of-the-file\n", encoding="utf-8")
    monkeypatch.delenv("PALM_TOKEN", raising=False)
    assert token_of(None, None) is None
    monkeypatch.setenv("PALM_TOKEN", "of-the-variable")
    assert token_of(None, None) == "of-the-variable"
    assert token_of(None, str(file)) == "of-the-file"
    assert token_of("of-the-option", str(file)) == "of-the-option"


@pytest.mark.parametrize("token", ["", "short", "with blanks in it", "línea-larga", "x" * 513])
def test_a_token_stands_in_a_header(token):
    with pytest.raises(ConfigError, match="a token has 8 to 512 characters"):
        token_of(token, None)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(ConfigError, match="a file with a token is expected"):
        token_of(None, str(tmp_path / "none"))


def test_a_free_port_is_bound():
    with bind("127.0.0.1", 0) as bound:
        bound.listen()
        assert address_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(ConfigError, match="a free port"):
            bind("127.0.0.1", bound.getsockname()[1])
