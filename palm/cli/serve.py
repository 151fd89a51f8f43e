"""`palm serve`: answer over HTTP with a model, all of its heads from one pass of the encoder."""

import argparse
import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from palm.errors import ConfigError, Problem
from palm.inference.exported import exported_tasks, model_folder
from palm.inference.serving.settings import RequestLimits, ServeSettings
from palm.runtime.environment import THREADS, named_threads, prepare_runtime, this_machine
from palm.runtime.paddle_import import import_paddle
from palm.schema.fields import Precision

if TYPE_CHECKING:
    from palm.inference.serving.hangups import EarlyHangups

EPILOG = """example:
  palm serve output_model                              all tasks at http://127.0.0.1:8000
  palm serve output_model --tasks intent,slots --port 0
  palm serve output_model --host 0.0.0.0 --token_file token.txt --workers 2
  curl http://127.0.0.1:8000/predict -H 'Content-Type: application/json' -d '{"inputs": ["book me a room"]}'
"""

_TIMES, _LONGEST = ("timeout", "body_timeout", "stop_timeout"), 86_400.0
_MOST_REMARKS = 100
_PACKAGES = ("fastapi", "uvicorn", "prometheus_client")


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "serve",
        help="answer over HTTP with a model",
        description="Serve a run's model over HTTP: PALM's own interface, the shapes of Hugging Face's inference API, "
        "and KServe v2. SIGTERM stops after the requests that were accepted, SIGHUP loads the model again.",
        epilog=EPILOG,
    )
    parser.add_argument("model", metavar="MODEL", help="RUN, RUN/task or an inference model")
    parser.add_argument("--tasks", help="tasks to serve, a,b (default: all)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1, this machine)")
    parser.add_argument("--port", type=int, default=8000, help="its port; 0 takes a free one (default: 8000)")
    parser.add_argument("--token", help="token that requests carry; better --token_file, or PALM_TOKEN")
    parser.add_argument("--token_file", help="file with the token")
    parser.add_argument("--no_auth", action="store_true", help="serve other machines without a token")
    parser.add_argument(
        "--runtime",
        choices=("auto", "palm", "onnx"),
        default="auto",
        help="what computes (default: auto, the faster one here)",
    )
    parser.add_argument("--precision", choices=get_args(Precision), default="auto", help="as palm pred (default: auto)")
    parser.add_argument("--threads", type=int, help="threads of all workers together (default: all usable cores)")
    parser.add_argument("--workers", type=int, default=1, help="processes, each with a model of its own (default: 1)")
    parser.add_argument("--reload", action="store_true", help="load the model again when its folder changes")
    _add_limits(parser)
    parser.set_defaults(func=run)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """Options of limits, whose defaults are those of `RequestLimits` and `ServeSettings`."""
    limits = RequestLimits()
    options: list[tuple[str, int | float, str]] = [
        ("max_rows", limits.rows, "rows of a request"),
        ("max_tokens", limits.tokens, "tokens of a request and of a batch, about"),
        ("max_bytes", limits.body, "bytes of a body"),
        ("max_waiting", limits.queue, "requests that wait"),
        ("timeout", limits.wait_seconds, "seconds that a request may wait"),
        ("body_timeout", limits.body_seconds, "seconds that a head or a body may take"),
        ("stop_timeout", ServeSettings.stop_seconds, "seconds that a stop may take"),
    ]
    for name, default, meaning in options:
        told = f"{meaning} (default: {default:g})" if isinstance(default, float) else f"{meaning} (default: {default})"
        parser.add_argument(f"--{name}", type=type(default), default=default, help=told)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # there are none
    from palm.inference.serving.hangups import EarlyHangups  # noqa: PLC0415

    hangups = EarlyHangups()
    hangups.catch()
    _check_numbers(args)
    _check_packages()
    threads = args.threads or named_threads() or this_machine().cores
    os.environ[THREADS] = str(threads)  # before Paddle is imported
    _show_log()
    from palm.inference.serving.address import address_of, bind, check_address, token_of  # noqa: PLC0415 (an extra)
    from palm.inference.serving.workers import WORKER_SOCKET, Workers, say_ready  # noqa: PLC0415

    token = token_of(args.token, args.token_file)
    check_address(args.host, token, no_auth=args.no_auth)
    _check_model(args.model)
    inherited = os.environ.get(WORKER_SOCKET)
    if inherited is not None:
        return _serve(args, token, socket.socket(fileno=int(inherited)), say_ready, hangups)
    bound = bind(args.host, args.port)
    announcement = f"PALM serves {args.model} at {address_of(bound)}"
    if args.workers == 1:
        return _serve(args, token, bound, partial(_announce, announcement), hangups)
    keys = {"threads": threads, "token": token, "stop_seconds": args.stop_timeout}
    return Workers(args.workers, _worker_words(args), bound, announce=announcement, **keys).run()


def _serve(
    args: argparse.Namespace,
    token: str | None,
    bound: socket.socket,
    when_listening: Callable[[], None],
    hangups: "EarlyHangups",
) -> int:
    """Serve in this process."""
    limits = RequestLimits(
        rows=args.max_rows,
        tokens=args.max_tokens,
        body=args.max_bytes,
        queue=args.max_waiting,
        wait_seconds=args.timeout,
        header_seconds=args.body_timeout,
        body_seconds=args.body_timeout,
    )
    settings = ServeSettings(
        model=Path(args.model),
        tasks=_names(args.tasks),
        runtime=args.runtime,
        precision=args.precision,
        token=token,
        own_host=args.host if token is None and not args.no_auth else None,
        reload=args.reload,
        stop_seconds=args.stop_timeout,
        limits=limits,
    )
    prepare_runtime()
    import_paddle()
    from palm.inference.serving.server import serve  # noqa: PLC0415 (imports Paddle)

    return serve(settings, bound, when_listening, hangups)


def _announce(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _worker_words(args: argparse.Namespace) -> list[str]:
    """The command line of a worker: this one's, without what it inherits."""
    inherited = ("model", "func", "command", "workers", "threads", "token", "token_file", "host", "port")
    words = ["-m", "palm", "serve", f"--host={args.host}"]
    for name, value in vars(args).items():
        if name in inherited or value is None or value is False:
            continue
        words.append(f"--{name}" if value is True else f"--{name}={value}")
    return [*words, "--", args.model]


def _names(tasks: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (tasks or "").split(",") if name.strip())


def _check_numbers(args: argparse.Namespace) -> None:
    """Refuse numbers that make no server.

    Raises:
        ConfigError: All of them.
    """
    least = {"workers": 1, "threads": 1, "max_rows": 1, "max_tokens": 1, "max_bytes": 2, "max_waiting": 1}
    given = {name: getattr(args, name) for name in least}
    wrong = [
        (name, value, f"of at least {least[name]}")
        for name, value in given.items()
        if value is not None and value < least[name]
    ]
    wrong += [(name, getattr(args, name), "above 0") for name in _TIMES if not 0 < getattr(args, name) < _LONGEST]
    if not 0 <= args.port < 2**16:
        wrong.append(("port", args.port, "from 0 to 65535"))
    if wrong:
        raise ConfigError(
            [Problem(f"--{name}", f"a number {rule} is expected. Found {value}.") for name, value, rule in wrong]
        )


def _check_packages() -> None:
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        rule = f"needs the extra `serve`. Found no {', '.join(missing)}."
        raise ConfigError(Problem("palm serve", f'{rule} Install it: pip install "paddle-palm[serve]".'))


def _check_model(path: str) -> None:
    """Refuse a path without a model before a socket is bound and Paddle imported.

    Raises:
        CheckpointError: There is none.
    """
    if model_folder(path) is None:
        exported_tasks(path)


class _OncePerMessage(logging.Filter):
    """Passes what readers say of rows once: a server would repeat it with every request."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the record."""
        if record.levelno != logging.WARNING:
            return True
        key = f"{record.name}:{record.msg}"
        if key in self._said or len(self._said) == _MOST_REMARKS:
            return False
        self._said.add(key)
        return True


def _show_log() -> None:
    """Write what a server reports to stderr, a line each, with its time."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(_OncePerMessage())
    log = logging.getLogger("palm")
    log.handlers, log.propagate = [handler], False
    logging.getLogger("palm.inference.serving").setLevel(logging.INFO)
