"""Where a server listens, and who may ask: other machines only with a token, or where the user says so."""

import ipaddress
import os
import re
import socket
from pathlib import Path

from palm.errors import ConfigError, Problem

TOKEN_VARIABLE = "PALM_TOKEN"
_TOKEN = re.compile(r"[!-~]{8,512}")
_TOKEN_RULE = "a token has 8 to 512 characters of ASCII without blanks."


def token_of(given: str | None, file: str | None) -> str | None:
    """The token: as given, else in the file, else in the environment; None where it is nowhere.

    Raises:
        ConfigError: It cannot stand in a header, or is short; or the file cannot be read.
    """
    token, where = given, "--token"
    if token is None and file is not None:
        where = "--token_file"
        try:
            token = Path(file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            found = getattr(error, "strerror", None) or "text that is not UTF-8"
            raise ConfigError(Problem(where, f"a file with a token is expected. {file}: {found}.")) from error
    if token is None and TOKEN_VARIABLE in os.environ:
        token, where = os.environ[TOKEN_VARIABLE], TOKEN_VARIABLE
    if token is not None and not _TOKEN.fullmatch(token):
        found = f"Found {len(token)} characters." if len(token) < 8 else "Found another one."
        advice = "Make one: python -c 'import secrets; print(secrets.token_urlsafe())'"
        raise ConfigError(Problem(where, f"{_TOKEN_RULE} {found} {advice}"))
    return token


def check_address(host: str, token: str | None, *, no_auth: bool) -> None:
    """Refuse an address that other machines reach, unless a token protects it or its absence is in words.

    Raises:
        ConfigError: It is refused, or both a token and its absence are asked for.
    """
    if token is not None and no_auth:
        rule = "--no-auth serves without a token. Found one as well. Remove one of them."
        raise ConfigError(Problem("--no-auth", rule))
    if token is None and not no_auth and not is_loopback(host):
        rule = "an address that other machines reach needs a token (--token, --token_file or PALM_TOKEN)"
        advice = "Set one, or say --no-auth where something in front of PALM decides who may ask."
        raise ConfigError(Problem("--host", f"{rule}. Found `{host}` without one. {advice}"))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int) -> socket.socket:
    """A socket at the address, which does not listen yet.

    Raises:
        ConfigError: There is no such address here, or it is in use.
    """
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except (OSError, UnicodeError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        rule = "an address of this machine and a free port are expected."
        raise ConfigError(
            Problem(
                "--host, --port", f"{rule} Found {host}:{port}: {reason}. Choose others; --port 0 takes a free one."
            )
        ) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """`http://127.0.0.1:8000`."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
