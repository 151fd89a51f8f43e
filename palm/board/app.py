"""The application of the board: its page, the events, the points of charts, and tables."""

import json
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from palm.board.board import MOST_CHOSEN, Board
from palm.board.buckets import ChartWindow
from palm.board.stream import EventStreams
from palm.board.tables import sections_as_json
from palm.inference.serving.errors import JSON_TYPE, HttpError, shown_value
from palm.inference.serving.gate import Gate
from palm.inference.serving.metrics import ServeMetrics
from palm.inference.serving.settings import RequestLimits
from palm.locale.current import LANGUAGES, TAGS, accepted_language, chosen_language, in_language

_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_SHARED = {"palm.inference.serving": ("palette.css", "palm.svg"), "palm.report": ("curves.css",)}
"""Files of the pages of `palm serve` and `palm report`, with which this one has its colours in common."""
_PAGE = "index.html"
_MOST_BUCKETS = 4000
_LAST_STEP = 2**53  # of JavaScript's integers


def build_board_app(board: Board, streams: EventStreams, own_host: str | None, language: str | None) -> Gate:
    """The application with the checks of `palm serve` in front of it.

    Args:
        board: The runs.
        streams: The streams of events.
        own_host: The address that it listens at, where only this machine may ask; else None.
        language: The language of its page; that of the browser by default.
    """
    routes = [
        Route("/events", _events(streams), methods=["GET"]),
        Route("/curves", _curves(board), methods=["GET"]),
        Route("/tables", _tables(board), methods=["GET"]),
        *_page_routes(language),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _refused, HttpError: _refused})
    limits = RequestLimits(body=2)
    return Gate(app, token=None, open_paths=(), limits=limits, metrics=ServeMetrics(), own_host=own_host)


def _events(streams: EventStreams) -> Callable[[Request], Awaitable[Response]]:
    async def events(request: Request) -> Response:
        last_id = request.headers.get("last-event-id") or request.query_params.get("after")
        stream = streams.events(_keys(request), last_id, _language(request))
        return StreamingResponse(stream, media_type="text/event-stream")

    return events


def _curves(board: Board) -> Callable[[Request], Response]:
    def curves(request: Request) -> Response:
        window = ChartWindow(
            _number(request, "first", _LAST_STEP),
            _number(request, "last", _LAST_STEP),
            _number(request, "buckets", _MOST_BUCKETS, least=1),
        )
        runs = {key: run for key in _keys(request) if (run := board.open(key)) is not None}
        return _json({key: run.chart_lines(window) for key, run in runs.items()})

    return curves


def _tables(board: Board) -> Callable[[Request], Response]:
    def tables(request: Request) -> Response:
        runs = [run.as_read() for key in _keys(request) if (run := board.open(key)) is not None]
        with in_language(_language(request)):
            return _json(sections_as_json(runs) if runs else [])

    return tables


def _language(request: Request, otherwise: str | None = None) -> str:
    """`lang` of the address, or `otherwise`, or what the browser asks for, or else that of this process."""
    named = request.query_params.get("lang", "")
    accepted = otherwise or accepted_language(request.headers.get("accept-language", ""))
    return named if named in LANGUAGES else accepted or chosen_language()


def _keys(request: Request) -> list[str]:
    """The keys of the chosen runs.

    Raises:
        HttpError: There are too many.
    """
    keys = list(dict.fromkeys(key for key in request.query_params.get("runs", "").split(",") if key))
    if len(keys) > MOST_CHOSEN:
        rule = f"at most {MOST_CHOSEN} runs are shown at once."
        raise HttpError(400, rule, f"Found {len(keys)}.", "Choose fewer.", where="runs")
    return keys


def _number(request: Request, name: str, most: int, least: int = 0) -> int:
    text = request.query_params.get(name, "")
    value = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
    if not least <= value <= most:
        raise HttpError(
            400, f"a whole number from {least} to {most} is expected.", f"Found {shown_value(text)}.", where=name
        )
    return value


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        found = f"Found {request.method} {request.url.path[:200]}."
        headers = dict(error.headers or {})
        error = HttpError(error.status_code, "a path of the board is expected.", found, headers=headers)
    if not isinstance(error, HttpError):
        raise error
    return Response(error.body(), error.status, error.headers, JSON_TYPE)


def _json(content: object) -> Response:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), media_type=JSON_TYPE)


def _page_routes(language: str | None) -> list[Route]:
    """The files of the page, which are known when the server starts: no path reaches another file."""
    shared = [files(package) / "page" / name for package, names in _SHARED.items() for name in names]
    own = [file for file in (files("palm.board") / "page").iterdir() if Path(file.name).suffix in _KINDS]
    routes = []
    for file in [*own, *shared]:
        name, content = file.name, file.read_bytes()
        answer = _static(content, _KINDS[Path(name).suffix]) if name != _PAGE else _page(content, language)
        routes.append(Route("/" if name == _PAGE else f"/{name}", answer, methods=["GET"]))
    return routes


def _page(content: bytes, language: str | None) -> Callable[[Request], Awaitable[Response]]:
    """The page, whose `lang` says board.js which texts to show."""
    pages = {name: content.replace(b'lang="en"', f'lang="{TAGS[name]}"'.encode(), 1) for name in LANGUAGES}

    async def respond(request: Request) -> Response:
        headers = {"content-type": "text/html; charset=utf-8", "vary": "accept-language"}
        return Response(pages[_language(request, language)], headers=headers)

    return respond


def _static(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def respond(_: Request) -> Response:
        return Response(content, headers={"content-type": f"{kind}; charset=utf-8"})

    return respond
