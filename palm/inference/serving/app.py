"""The application: PALM's own paths, and those of the other interfaces."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from palm.inference.serving.auth import HEALTH_PATHS
from palm.inference.serving.errors import JSON_TYPE, HttpError
from palm.inference.serving.exchange import disconnected, json_object, json_response
from palm.inference.serving.gate import Gate
from palm.inference.serving.hugging_face import hugging_face_router
from palm.inference.serving.kserve import kserve_router
from palm.inference.serving.language import CONTENT_LANGUAGE, in_language, language_of
from palm.inference.serving.request_rows import check_keys, check_rows, names_of
from palm.inference.serving.schemas import (
    APP_MEANING,
    PREDICT_EXAMPLES,
    PREDICT_REQUEST,
    PREDICT_RESPONSE,
    get_docs,
    post_docs,
)
from palm.inference.serving.served_model import Answers
from palm.inference.serving.service import Service, readable_error
from palm.inference.serving.settings import ServeSettings
from palm.storage.layout import PALM_VERSION

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PAGE_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8"}
_PAGE_TYPES |= {".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def build_app(service: Service, settings: ServeSettings) -> Gate:
    """The application with everything in front of it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await asyncio.to_thread(service.stop)  # it waits for the batch in work; signals are heard meanwhile

    app = FastAPI(
        title="palm serve",
        version=PALM_VERSION,
        description=APP_MEANING,
        lifespan=lifespan,
        docs_url=None,  # these pages load scripts of another server
        redoc_url=None,
        openapi_url=None,  # with an exception handler and headers of its own, below
    )
    _add_error_handlers(app)
    _add_own_paths(app, service, settings)
    app.include_router(hugging_face_router(service))
    app.include_router(kserve_router(service))
    open_paths = HEALTH_PATHS | _add_page(app)
    return Gate(
        app,
        token=settings.token,
        open_paths=open_paths,
        limits=settings.limits,
        metrics=service.metrics,
        own_host=settings.own_host,
    )


def _add_own_paths(app: FastAPI, service: Service, settings: ServeSettings) -> None:
    @app.post("/predict", summary="Predict rows with any tasks", **post_docs(
        PREDICT_REQUEST, PREDICT_RESPONSE, PREDICT_EXAMPLES, 404
    ))  # fmt: skip
    async def predict(request: Request) -> Response:
        began = time.perf_counter()
        content = await json_object(request)
        check_keys(content, ("inputs", "tasks"))
        model = service.model
        rows = check_rows(content.get("inputs"), model.columns, settings.limits)
        tasks = names_of(content["tasks"], model.tasks, "tasks") if "tasks" in content else list(model.tasks)
        answers = await service.predict(model, rows, tasks, disconnected(request))
        reason = readable_error(answers)
        if reason is not None:
            raise HttpError(422, "a row has the columns of a task.", reason, "See /info for the columns of each task.")
        answers = [_in_language(row, language_of(request.scope["headers"])) for row in answers]
        elapsed = round((time.perf_counter() - began) * 1000, 3)
        return json_response({"predictions": answers, "milliseconds": elapsed, "model": model.description})

    @app.get("/info", summary="The model, its tasks and the limits", **get_docs("What is served."))
    async def info() -> Response:
        return json_response(describe(service))

    @app.get("/healthz", summary="Whether the process answers", **get_docs("It does."))
    async def healthz() -> Response:
        return json_response({"status": "stopping" if service.is_stopping else "ok"})

    @app.get("/metrics", summary="Numbers for Prometheus", **get_docs("The numbers.", media=METRICS_TYPE))
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=METRICS_TYPE)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return json_response(app.openapi())


def _in_language(answers: Answers, language: str) -> Answers:
    """The answers for a row, with the reasons of tasks that could not read it in `language`."""
    return {
        task: {"error": in_language(str(answer["error"]), language)} if set(answer) == {"error"} else answer
        for task, answer in answers.items()
    }


def describe(service: Service) -> dict[str, object]:
    """What `/info` says."""
    model, limits = service.model, service.limits
    tasks = {
        task.name: {
            "paradigm": task.paradigm_name,
            "columns": list(task.columns),
            "labels": task.labels,
            "kind": task.kind,
            "metrics": task.metrics,
        }
        for task in model.tasks.values()
    }
    return {
        "model": model.name,
        "version": PALM_VERSION,
        "global_step": model.global_step,
        "runtime": model.runtime,
        "precision": model.precision,
        "limits": {
            "rows": limits.rows,
            "tokens": limits.tokens,
            "bytes": limits.body,
            "waiting_requests": limits.queue,
            "seconds": limits.wait_seconds,
        },
        "tasks": tasks,
    }


def _add_error_handlers(app: FastAPI) -> None:
    async def of_http_error(request: Request, error: Exception) -> Response:
        if not isinstance(error, HttpError):
            raise error
        language = language_of(request.scope["headers"])
        headers = {CONTENT_LANGUAGE: language, **error.headers}
        return Response(error.body(language), error.status, headers, JSON_TYPE)

    async def of_starlette(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        return await of_http_error(request, _as_http_error(request, error))

    async def of_fault(request: Request, _: Exception) -> Response:
        rule = "this is a fault of the server, whose log says more."
        return await of_http_error(request, HttpError(500, rule, advice="Report it with the request."))

    app.add_exception_handler(HttpError, of_http_error)
    app.add_exception_handler(HTTPException, of_starlette)
    app.add_exception_handler(Exception, of_fault)


def _as_http_error(request: Request, error: HTTPException) -> HttpError:
    headers = dict(error.headers or {})
    if error.status_code == 404:
        path = request.url.path[:200].replace("`", "%60")  # nothing of it is taken for PALM's words
        found = f"Found `{path}`."
        return HttpError(404, "a known path is expected.", found, "See /openapi.json.", headers=headers)
    if error.status_code == 405:
        allowed = headers.get("Allow", headers.get("allow", "others"))
        return HttpError(405, f"this path has the methods {allowed}.", f"Found {request.method}.", headers=headers)
    return HttpError(error.status_code, str(error.detail), headers=headers)


def _add_page(app: FastAPI) -> frozenset[str]:
    """Serve the files of the page, which are known when the server starts: no path reaches another file.

    Returns their paths. They need no token: the page says nothing of the model before it has one.
    """
    paths: set[str] = set()
    folder = files("palm.inference.serving") / "page"
    if not folder.is_dir():
        return frozenset()
    for file in folder.iterdir():
        kind = _PAGE_TYPES.get(Path(file.name).suffix)
        if kind is not None:
            content = file.read_bytes()
            for path in ("/", f"/{file.name}") if file.name == "index.html" else (f"/{file.name}",):
                app.add_api_route(path, _static(content, kind), methods=["GET"], include_in_schema=False)
                paths.add(path)
    return frozenset(paths)


def _static(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def respond() -> Response:
        return Response(content, headers={"content-type": kind})

    return respond
