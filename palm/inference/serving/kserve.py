"""`/v2`: KServe's open inference protocol, version 2, over JSON. Each task is a model, its columns are BYTES tensors.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request, Response

from palm.inference.prediction_files import json_line
from palm.inference.serving.errors import HttpError, shown_value
from palm.inference.serving.exchange import disconnected, json_object, json_response
from palm.inference.serving.request_rows import RequestRow, check_keys, check_rows, check_task
from palm.inference.serving.schemas import INFER_EXAMPLES, INFER_REQUEST, INFER_RESPONSE, get_docs, post_docs
from palm.inference.serving.served_model import ServedTask
from palm.inference.serving.service import Service
from palm.paradigm.base import Prediction
from palm.paradigm.hugging_face import LABELLED
from palm.storage.layout import PALM_VERSION

PREDICTION = "prediction"
"""The output with the whole prediction of each row, as JSON."""

_BYTES, _NUMBERS = "BYTES", "FP64"
_BINARY_HEADER = "inference-header-content-length"
_TENSOR_KEYS = ("name", "shape", "datatype", "data", "parameters")
_NOT_TENSORS = frozenset(("index", "id", "truncated"))
_DEPTH = 4


def kserve_router(service: Service) -> APIRouter:
    """The routes below `/v2`."""
    router = APIRouter(prefix="/v2")
    _add_health(router, service)

    @router.get("", summary="The server", **get_docs("Its name and version."))
    async def server() -> Response:
        return json_response({"name": "palm", "version": PALM_VERSION, "extensions": []})

    @router.get("/models/{name}", summary="The tensors of a task", **get_docs("Its inputs and outputs.", None, 404))
    async def metadata(name: str) -> Response:
        check_task(name, service.model.tasks)
        return json_response(_metadata(service.model.tasks[name]))

    @router.get("/models/{name}/ready", summary="Whether a task is served", **get_docs("It is.", None, 404, 503))
    async def model_ready(name: str) -> Response:
        check_task(name, service.model.tasks)
        _refuse_while_stopping(service)
        return json_response({"name": name, "ready": True})

    @router.post("/models/{name}/infer", summary="Predict with one task", **post_docs(
        INFER_REQUEST, INFER_RESPONSE, INFER_EXAMPLES, 404
    ))  # fmt: skip
    async def infer(name: str, request: Request) -> Response:
        model = service.model
        check_task(name, model.tasks)
        task = model.tasks[name]
        if _BINARY_HEADER in request.headers:
            rule = "tensors are JSON."
            raise HttpError(400, rule, f"Found the header {_BINARY_HEADER}.", "Send them in `data`.")
        content = await json_object(request)
        check_keys(content, ("id", "inputs", "outputs", "parameters"))
        rows = check_rows(read_tensors(content.get("inputs"), task), task.columns, service.limits)
        wanted = _wanted(content.get("outputs"))
        answers = await service.predict(model, rows, [name], disconnected(request))
        outputs = _chosen(write_tensors([row[name] for row in answers], task), wanted)
        named = {"id": content["id"]} if isinstance(content.get("id"), str) else {}
        return json_response({"model_name": name, "model_version": PALM_VERSION, **named, "outputs": outputs})

    return router


def _add_health(router: APIRouter, service: Service) -> None:
    @router.get("/health/live", summary="Whether the process answers", **get_docs("It does."))
    async def live() -> Response:
        return json_response({"live": True})

    @router.get("/health/ready", summary="Whether requests are accepted", **get_docs("They are.", None, 503))
    async def ready() -> Response:
        _refuse_while_stopping(service)
        return json_response({"ready": True})


def _refuse_while_stopping(service: Service) -> None:
    if service.is_stopping:
        raise HttpError(503, "the server stops.", advice="Ask another one.")


def read_tensors(inputs: object, task: ServedTask) -> list[RequestRow]:
    """The rows whose columns are the tensors `inputs`.

    Raises:
        HttpError: They are not the tensors that the task takes.
    """
    if not isinstance(inputs, list) or not inputs:
        raise HttpError(422, "`inputs` is a list of tensors.", f"Found {shown_value(inputs)}.", where="inputs")
    columns = dict(_tensor(tensor, f"inputs[{number}]") for number, tensor in enumerate(inputs))
    missing = [name for name in task.columns if name not in columns]
    lengths = {len(texts) for texts in columns.values()}
    if missing or len(lengths) != 1 or len(columns) != len(inputs):
        rule = f"this task takes one tensor of each of {', '.join(task.columns)}, all with as many rows."
        names = shown_value([*columns])
        rows = ", ".join(str(len(texts)) for texts in columns.values())
        raise HttpError(422, rule, f"Found {names} of {rows[:100]} rows.", where="inputs")
    return [dict(zip(columns, texts, strict=True)) for texts in zip(*columns.values(), strict=True)]


def _tensor(tensor: object, where: str) -> tuple[str, list[object]]:
    """Name and texts of a tensor."""
    if not isinstance(tensor, dict):
        raise HttpError(422, "a tensor is an object.", f"Found {shown_value(tensor)}.", where=where)
    check_keys(tensor, _TENSOR_KEYS, where)
    name, kind = tensor.get("name"), tensor.get("datatype")
    if not isinstance(name, str) or kind != _BYTES:
        found = f"Found name {shown_value(name)} and datatype {shown_value(kind)}."
        raise HttpError(422, f"a tensor has a name and the datatype {_BYTES}.", found, where=where)
    values = _flat(tensor.get("data"), where)
    shape = tensor.get("shape")
    if not _fits(shape, len(values)):
        rule = "the shape of a tensor is [rows] or [rows, 1], of as many values as its data has."
        found = f"Found {shown_value(shape)} and {len(values)} values."
        raise HttpError(422, rule, found, where=where)
    return name, values


def _fits(shape: object, count: int) -> bool:
    """Whether a shape is `[rows]`, or `[rows, 1]`, of `count` values, at least one."""
    if not isinstance(shape, list) or not shape or not all(type(size) is int for size in shape):
        return False
    return count > 0 and shape[0] == count and all(size == 1 for size in shape[1:])


def _flat(data: object, where: str, depth: int = 0) -> list[object]:
    """The values of nested lists in their order."""
    if not isinstance(data, list) or depth > _DEPTH:
        rule = "the data of a tensor are a list of texts."
        raise HttpError(422, rule, f"Found {shown_value(data)}.", where=f"{where}.data")
    values: list[object] = []
    for item in data:
        values += _flat(item, where, depth + 1) if isinstance(item, list) else [item]
    return values


def write_tensors(predictions: Sequence[Prediction], task: ServedTask) -> list[dict[str, object]]:
    """Predictions as tensors: each whole as JSON, and those of its fields that are texts or numbers in every row.

    Raises:
        HttpError: The task could not read a row.
    """
    _refuse_unread(predictions)
    rows = len(predictions)
    found = [_output(PREDICTION, _BYTES, [rows], [json_line(one).rstrip("\n") for one in predictions])]
    for name in predictions[0]:
        values = [one.get(name) for one in predictions]
        if name in _NOT_TENSORS or name in task.columns:
            continue
        if all(isinstance(value, str) for value in values):
            found.append(_output(name, _BYTES, [rows], values))
        elif all(map(_is_number, values)):
            found.append(_output(name, _NUMBERS, [rows], values))
        elif numbers := _by_label(values, task.labels):
            found.append(_output(name, _NUMBERS, [rows, len(task.labels)], numbers))
    return found


def _by_label(values: Sequence[object], labels: Sequence[str]) -> list[float]:
    """The numbers of mappings from labels to numbers, row by row; none where they are no such mappings."""
    mappings = [value for value in values if isinstance(value, Mapping) and list(value) == labels]
    numbers = [number for mapping in mappings for number in mapping.values()]
    return numbers if len(mappings) == len(values) and all(map(_is_number, numbers)) else []


def _refuse_unread(predictions: Sequence[Prediction]) -> None:
    for number, prediction in enumerate(predictions):
        if set(prediction) == {"error"}:
            where = f"row {number}"
            raise HttpError(422, "a row has the columns of the task.", str(prediction["error"]), where=where)


def _is_number(value: object) -> bool:
    return isinstance(value, float)


def _output(name: str, datatype: str, shape: list[int], data: Sequence[object]) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": list(data)}


def _wanted(outputs: object) -> list[str] | None:
    """The names of the outputs that are asked for; None for all."""
    if outputs is None or outputs == []:
        return None
    names = (
        [each.get("name") if isinstance(each, dict) else None for each in outputs] if isinstance(outputs, list) else []
    )
    if not names or not all(isinstance(name, str) for name in names):
        rule = "`outputs` is a list of objects with the name of an output."
        raise HttpError(422, rule, f"Found {shown_value(outputs)}.", where="outputs")
    return [str(name) for name in names]


def _chosen(outputs: list[dict[str, object]], wanted: list[str] | None) -> list[dict[str, object]]:
    if wanted is None:
        return outputs
    by_name = {str(output["name"]): output for output in outputs}
    for name in wanted:
        if name not in by_name:
            rule = f"this task has the outputs {', '.join(by_name)}."
            raise HttpError(422, rule, f"Found {shown_value(name)}.", where="outputs")
    return [by_name[name] for name in wanted]


def _metadata(task: ServedTask) -> dict[str, object]:
    inputs = [{"name": name, "datatype": _BYTES, "shape": [-1]} for name in task.columns]
    outputs: list[dict[str, object]] = [{"name": PREDICTION, "datatype": _BYTES, "shape": [-1]}]
    if task.kind in LABELLED and task.labels:
        parameters = {"labels": task.labels}
        shape = [-1, len(task.labels)]
        outputs.append({"name": "probs", "datatype": _NUMBERS, "shape": shape, "parameters": parameters})
    return {
        "name": task.name,
        "versions": [PALM_VERSION],
        "platform": f"palm_{task.paradigm_name}",
        "inputs": inputs,
        "outputs": outputs,
    }
