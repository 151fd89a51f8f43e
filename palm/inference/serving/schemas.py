"""The shapes of requests and responses as OpenAPI describes them, with examples."""

import json
from typing import Any

from palm.inference.serving.errors import JSON_TYPE

JsonSchema = dict[str, Any]
Responses = dict[int | str, dict[str, Any]]

_TEXT: JsonSchema = {"type": "string"}
_TEXTS: JsonSchema = {"type": "array", "items": _TEXT, "minItems": 1}
_OBJECT: JsonSchema = {"type": "object"}
_ROW: JsonSchema = {
    "description": "A text, or an object with the texts of its columns (`/info` names those of each task).",
    "anyOf": [
        _TEXT,
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"anyOf": [_TEXT, _TEXTS, {"type": "integer"}]},
        },
    ],
}
_ROWS: JsonSchema = {"type": "array", "items": _ROW, "minItems": 1}

ERROR: JsonSchema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["status", "title", "rule"],
            "properties": {
                "status": {"type": "integer"},
                "title": {**_TEXT, "description": "The name of the status."},
                "where": {**_TEXT, "description": "The place in the request, such as `inputs[2]`."},
                "rule": {**_TEXT, "description": "What is expected."},
                "found": {**_TEXT, "description": "What was found instead."},
                "advice": {**_TEXT, "description": "What to do."},
            },
        }
    },
}


def _request(**properties: JsonSchema) -> JsonSchema:
    """A request of `inputs` and optional keys, and no others."""
    return {"type": "object", "required": ["inputs"], "additionalProperties": False, "properties": properties}


PREDICT_REQUEST = _request(inputs=_ROWS, tasks={**_TEXTS, "description": "Names of tasks; all by default."})
PREDICT_RESPONSE: JsonSchema = {
    "type": "object",
    "required": ["predictions", "milliseconds", "model"],
    "properties": {
        "predictions": {
            "type": "array",
            "description": "For each row the prediction of each task, or `{error}` where the task cannot read the row.",
            "items": {"type": "object", "additionalProperties": _OBJECT},
        },
        "milliseconds": {"type": "number"},
        "model": _OBJECT,
    },
}
TASK_REQUEST = _request(
    inputs={
        "description": "A text, `{text, text_pair}`, `{question, context}`, an object of columns, or a list.",
        "anyOf": [_ROW, _ROWS],
    },
    parameters={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "top_k": {"type": "integer", "minimum": 1, "maximum": 10_000},
            "aggregation_strategy": {"enum": ["simple", "first", "average", "max"]},
        },
    },
    options={"type": "object", "description": "Of Hugging Face's servers; they change nothing here."},
)
_TENSOR: JsonSchema = {
    "type": "object",
    "required": ["name", "shape", "datatype", "data"],
    "properties": {
        "name": _TEXT,
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": _TEXT,
        "data": {"type": "array"},
        "parameters": _OBJECT,
    },
}
INFER_REQUEST = _request(
    id=_TEXT,
    inputs={"type": "array", "minItems": 1, "items": _TENSOR},
    outputs={"type": "array", "items": {"type": "object", "required": ["name"], "properties": {"name": _TEXT}}},
    parameters=_OBJECT,
)
INFER_RESPONSE: JsonSchema = {
    "type": "object",
    "required": ["model_name", "outputs"],
    "properties": {
        "model_name": _TEXT,
        "model_version": _TEXT,
        "id": _TEXT,
        "outputs": {"type": "array", "items": _TENSOR},
    },
}

PREDICT_EXAMPLES: JsonSchema = json.loads("""{
    "texts": {"summary": "Texts, all tasks", "value": {"inputs": ["book me a room in Lisbon", "预订一个房间"]}},
    "columns": {
        "summary": "Columns, some tasks",
        "value": {"inputs": [{"question": "Where?", "context": "The room is in Lisbon."}], "tasks": ["answers"]}
    }
}""")
APP_MEANING = "All heads of a model from one pass of its encoder. Errors say the rule, what was found, what to do."
TASK_MEANING = "Predict with one task, in the shapes of Hugging Face's inference API"
TASK_ANSWER: JsonSchema = {"description": "By the kind of task: labels, spans, an answer, tokens for masks, or scores."}
TASK_EXAMPLES: JsonSchema = json.loads("""{
    "text": {"value": {"inputs": "book me a room in Lisbon", "parameters": {"top_k": 3}}},
    "pair": {"value": {"inputs": {"text": "a cheap room", "text_pair": "a room that costs little"}}},
    "question": {"value": {"inputs": {"question": "Where?", "context": "The room is in Lisbon."}}}
}""")
INFER_EXAMPLES: JsonSchema = json.loads("""{
    "texts": {
        "value": {"inputs": [{"name": "text_a", "shape": [1], "datatype": "BYTES", "data": ["book me a room"]}]}
    }
}""")

_MEANINGS = {
    400: "The body is not the JSON that is expected.",
    401: "The token is missing or another one.",
    403: "No token is asked for, and the header Host names another machine.",
    404: "There is no such task or path.",
    405: "The path has other methods.",
    408: "The request arrived too slowly.",
    413: "The body, or the number of its rows or tokens, is too large.",
    415: "The body is no JSON.",
    422: "A value in the body is not what is expected.",
    429: "Too many requests wait.",
    503: "The server stops, or the request waited too long.",
}
_OF_ALL = (401, 403, 405, 408)
_OF_POSTS = (400, 413, 415, 422, 429, 503)


def get_docs(meaning: str, schema: JsonSchema | None = None, *also: int, media: str = JSON_TYPE) -> JsonSchema:
    """What OpenAPI says of a GET, as keywords of FastAPI's decorators.

    Args:
        meaning: What a successful response is.
        schema: Its shape, if it is JSON.
        also: Statuses besides those of all paths.
        media: Its type.
    """
    content = {media: {"schema": schema or (_OBJECT if media == JSON_TYPE else _TEXT)}}
    responses: Responses = {200: {"description": meaning, "content": content}, **_errors((*_OF_ALL, *also))}
    return {"responses": responses}


def post_docs(request: JsonSchema, response: JsonSchema, examples: JsonSchema, *also: int) -> JsonSchema:
    """The same for a POST of JSON."""
    responses: Responses = {
        200: {"description": "The predictions.", "content": {JSON_TYPE: {"schema": response}}},
        **_errors((*_OF_ALL, *_OF_POSTS, *also)),
    }
    body = {"required": True, "content": {JSON_TYPE: {"schema": request, "examples": examples}}}
    return {"responses": responses, "openapi_extra": {"requestBody": body}}


def _errors(statuses: tuple[int, ...]) -> Responses:
    content = {JSON_TYPE: {"schema": ERROR}}
    return {status: {"description": _MEANINGS[status], "content": content} for status in sorted(set(statuses))}
