"""`palm board`: the curves of several runs, live in a browser."""

import argparse
import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from palm.errors import ConfigError, Problem
from palm.locale.current import LANGUAGES

EPILOG = """example:
  palm board .                              all runs below this folder, at http://127.0.0.1:8001
  palm board runs --port 0
  ssh -L 8001:127.0.0.1:8001 MACHINE        from another machine; then open http://127.0.0.1:8001 there
"""

_PACKAGES = ("prometheus_client", "starlette", "uvicorn")


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "board",
        help="show runs live in a browser",
        description="Show the curves of all runs below a folder in a browser, as they grow: those that train, those "
        "that have ended, and those that appear later.",
        epilog=EPILOG,
    )
    parser.add_argument("folder", metavar="DIR", help="folder with runs, at any depth")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1, this machine)")
    parser.add_argument("--port", type=int, default=8001, help="its port; 0 takes a free one (default: 8001)")
    parser.add_argument(
        "--lang",
        choices=LANGUAGES,
        help="language of the page (default: that of the browser, or of PALM_LANG or the locale)",
    )
    parser.add_argument("--no_auth", action="store_true", help="let other machines see the runs, whoever asks")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # there are none
    _check_packages()
    root = _folder(args.folder)
    if not 0 <= args.port < 2**16:
        raise ConfigError(Problem("--port", f"a number from 0 to 65535 is expected. Found {args.port}."))
    from palm.inference.serving.address import address_of, bind  # noqa: PLC0415 (an extra)

    _check_address(args.host, no_auth=args.no_auth)
    bound = bind(args.host, args.port)
    _show_log()
    from palm.board.server import serve_board  # noqa: PLC0415 (an extra)

    def announce() -> None:
        sys.stdout.write(f"PALM shows the runs below {args.folder} at {address_of(bound)}\n")
        sys.stdout.flush()

    return serve_board(root, bound, None if args.no_auth else args.host, announce, args.lang)


def _folder(path: str) -> Path:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing there"
        raise ConfigError(Problem(path, f"a folder with runs is expected. Found {found}."))
    return folder.resolve()


def _check_address(host: str, *, no_auth: bool) -> None:
    """Refuse an address that other machines reach, unless that is in words: the board asks for no token.

    Raises:
        ConfigError: It is refused.
    """
    from palm.inference.serving.address import is_loopback  # noqa: PLC0415 (an extra)

    if not no_auth and not is_loopback(host):
        rule = "the board shows runs to whoever reaches it, so it listens on this machine alone"
        advice = "From another machine use `ssh -L 8001:127.0.0.1:8001 MACHINE`; or say --no_auth."
        raise ConfigError(Problem("--host", f"{rule}. Found `{host}`. {advice}"))


def _check_packages() -> None:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        rule = f"needs the extra `serve`. Found no {', '.join(missing)}."
        raise ConfigError(Problem("palm board", f'{rule} Install it: pip install "paddle-palm[serve]".'))


def _show_log() -> None:
    """Write what the server reports to stderr, a line each, with its time."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("palm")
    log.handlers, log.propagate = [handler], False
