"""`/tasks/{name}`: one task in the shapes of Hugging Face's inference API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from palm.inference.serving.errors import HttpError, shown_value
from palm.inference.serving.exchange import disconnected, json_object, json_response
from palm.inference.serving.request_rows import RequestRow, check_keys, check_rows, check_task, text_of
from palm.inference.serving.schemas import TASK_ANSWER, TASK_EXAMPLES, TASK_MEANING, TASK_REQUEST, post_docs
from palm.inference.serving.served_model import ServedTask
from palm.inference.serving.service import Service
from palm.paradigm.base import Prediction
from palm.paradigm.hugging_face import LABELLED, ApiRow

# Their names of the texts of a row, by the order of the reader's columns.
_THEIR_COLUMNS = ("text", "text_pair")
_SOURCE, _SENTENCES = "source_sentence", "sentences"
_MOST = 10_000
_GROUPED = ("simple", "first", "average", "max")


@dataclass(frozen=True)
class ApiRequest:
    """What a request asks of one task.

    Attributes:
        rows: Rows in PALM's columns.
        is_single: Whether it is about one row that stands in no list.
        is_similarity: Whether it compares sentences with one, and expects a list of scores.
        top_k: How many labels, answers or tokens to list; None for all.
    """

    rows: Sequence[RequestRow | str]
    is_single: bool
    is_similarity: bool
    top_k: int | None


def hugging_face_router(service: Service) -> APIRouter:
    """The route of one task."""
    router = APIRouter()

    @router.post("/tasks/{name}", summary=TASK_MEANING, **post_docs(TASK_REQUEST, TASK_ANSWER, TASK_EXAMPLES, 404))
    async def predict_task(name: str, request: Request) -> Response:
        model = service.model
        check_task(name, model.tasks)
        task = model.tasks[name]
        content = await json_object(request)
        asked = read_request(content, task)
        rows = check_rows(list(asked.rows), task.columns, service.limits)
        answers = await service.predict(model, rows, [name], disconnected(request))
        return json_response(shape_answers([row[name] for row in answers], rows, task, asked))

    return router


def read_request(content: Mapping[str, object], task: ServedTask) -> ApiRequest:
    """The rows of a request, in PALM's columns, and its parameters.

    Raises:
        HttpError: It has other keys, or inputs that the task does not take.
    """
    check_keys(content, ("inputs", "parameters", "options"))
    inputs = content.get("inputs")
    top_k = _top_k(content.get("parameters", {}))
    if isinstance(inputs, dict) and _SOURCE in inputs:
        return ApiRequest(_compared(inputs, task), is_single=False, is_similarity=True, top_k=top_k)
    is_single = not isinstance(inputs, list)
    listed = inputs if isinstance(inputs, list) else [inputs]
    return ApiRequest([_in_our_columns(row, task) for row in listed], is_single, is_similarity=False, top_k=top_k)


def shape_answers(
    predictions: Sequence[Prediction], rows: Sequence[RequestRow | str], task: ServedTask, asked: ApiRequest
) -> object:
    """The predictions in the shape of the API.

    Raises:
        HttpError: The task could not read a row.
    """
    for number, prediction in enumerate(predictions):
        if "error" in prediction:
            place = "inputs" if asked.is_single else f"inputs[{number}]"
            advice = "See /info for the columns of each task."
            raise HttpError(422, "a row has the columns of the task.", str(prediction["error"]), advice, where=place)
    if asked.is_similarity:
        scores = [task.paradigm.similarity(prediction) for prediction in predictions]
        if None in scores:
            raise _no_similarity(task)
        return scores
    shaped = [
        task.paradigm.hugging_face(prediction, ApiRow(tuple(text_of(row, task.columns)), asked.top_k))
        for row, prediction in zip(rows, predictions, strict=True)
    ]
    return shaped[0] if asked.is_single and task.kind not in LABELLED else shaped


def _in_our_columns(row: object, task: ServedTask) -> RequestRow | str:
    """A row with `text` and `text_pair` under the names of the task's columns; others as they are."""
    if not isinstance(row, dict):
        return row  # type: ignore[return-value]  # what it is decides `check_rows`
    own = {name for name in _THEIR_COLUMNS if name in row} - set(task.columns)
    names = {name: column for name, column in zip(_THEIR_COLUMNS, task.columns, strict=False) if name in own}
    if not names.keys() >= own:
        rule = f"this task reads {' and '.join(task.columns)}."
        raise HttpError(422, rule, f"Found {shown_value(sorted(own))}.", "Send one text.", where="inputs")
    return {names.get(name, str(name)): value for name, value in row.items()}


def _compared(inputs: Mapping[str, object], task: ServedTask) -> list[RequestRow | str]:
    """A row of each sentence with the one that all are compared with."""
    check_keys(inputs, (_SOURCE, _SENTENCES), "inputs")
    sentences = inputs.get(_SENTENCES)
    if len(task.columns) != 2:
        raise _no_similarity(task)
    if not isinstance(sentences, list) or not sentences:
        raise HttpError(422, f"`{_SENTENCES}` is a list of texts.", f"Found {shown_value(sentences)}.", where="inputs")
    first, second = task.columns
    return [{first: inputs[_SOURCE], second: sentence} for sentence in sentences]


def _no_similarity(task: ServedTask) -> HttpError:
    rule = f"{_SOURCE} and {_SENTENCES} are for tasks of pairs that predict a similarity, or labels 0 and 1."
    return HttpError(422, rule, f"Found the task {shown_value(task.name)}.", where="inputs")


def _top_k(parameters: object) -> int | None:
    if not isinstance(parameters, dict):
        rule = "`parameters` is an object."
        raise HttpError(422, rule, f"Found {shown_value(parameters)}.", where="parameters")
    check_keys(parameters, ("top_k", "aggregation_strategy"), "parameters")
    grouped = parameters.get("aggregation_strategy", _GROUPED[0])
    if grouped not in _GROUPED:
        rule = f"words are grouped to spans: {', '.join(_GROUPED)} all mean that here."
        raise HttpError(422, rule, f"Found {shown_value(grouped)}.", where="parameters.aggregation_strategy")
    value = parameters.get("top_k")
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST):
        return value
    rule = f"`top_k` is a whole number from 1 to {_MOST:,}."
    raise HttpError(422, rule, f"Found {shown_value(value)}.", where="parameters.top_k")
