"""The rows of a request: JSON, checked before a model sees them."""

import math
import re
from collections.abc import Collection, Mapping, Sequence

from palm.inference.serving.errors import HttpError, shown_value
from palm.inference.serving.settings import RequestLimits
from palm.registry import did_you_mean

RequestRow = Mapping[str, object]
"""A row: the texts of its columns, or for some columns a list of them."""

ID = "id"
_UNFIT = re.compile("[\x00\ud800-\udfff]")
ADVICE = "See /openapi.json for the shapes."
# A token is four bytes of English text, three of Chinese.
_BYTES_PER_TOKEN = 3
_SPECIAL_TOKENS = 3


def check_keys(content: Mapping[str, object], known: Collection[str], where: str = "") -> None:
    """Refuse keys that would be ignored.

    Raises:
        HttpError: There are some.
    """
    for name in content:
        if name not in known:
            hint = did_you_mean(name, sorted(known))
            advice = f"Known: {', '.join(sorted(known))}."
            raise HttpError(422, "only known keys are read.", f"Found {shown_value(name)}.{hint}", advice, where=where)


def check_rows(inputs: object, columns: Collection[str], limits: RequestLimits) -> list[RequestRow | str]:
    """The rows in `inputs`: texts, or objects of known columns.

    Args:
        inputs: A value from a request.
        columns: The columns that some task reads.
        limits: How many rows there may be, and how long.

    Raises:
        HttpError: It is no list of rows, or there are too many.
    """
    if not isinstance(inputs, list) or not inputs:
        rule = "`inputs` is a list of rows, at least one: texts, or objects of columns."
        raise HttpError(422, rule, f"Found {shown_value(inputs)}.", ADVICE, where="inputs")
    if len(inputs) > limits.rows:
        rule = f"a request has at most {limits.rows} rows."
        raise HttpError(413, rule, f"Found {len(inputs)}.", "Send several requests.", where="inputs")
    rows = [_row(row, f"inputs[{number}]", columns) for number, row in enumerate(inputs)]
    check_size(sum(map(estimate_tokens, rows)), limits)
    return rows


def check_size(tokens: int, limits: RequestLimits) -> None:
    """Refuse a request of more tokens than a batch.

    Raises:
        HttpError: It is too large.
    """
    if tokens > limits.tokens:
        rule = f"the texts of a request have at most about {limits.tokens:,} tokens (three bytes count as one)."
        raise HttpError(413, rule, f"Found about {tokens:,}.", "Send several requests, or shorter texts.")


def estimate_tokens(row: RequestRow | str) -> int:
    """About how many tokens a row has, without tokenising it: an upper bound for most texts."""
    values = [row] if isinstance(row, str) else [value for name, value in row.items() if name != ID]
    single = sum(_text_tokens(value) for value in values if isinstance(value, str))
    lists = [value for value in values if isinstance(value, list)]
    # Words make one sequence, candidates one each, which repeats the text beside them.
    repeated = sum(single * (len(value) - 1) + sum(map(_text_tokens, value)) for value in lists)
    return single + repeated + _SPECIAL_TOKENS


def names_of(value: object, known: Collection[str], where: str) -> list[str]:
    """The names of tasks in a request, each known.

    Raises:
        HttpError: `value` is no list of names, or a task is not served (404).
    """
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        rule = "`tasks` is a list of names of tasks, at least one."
        raise HttpError(422, rule, f"Found {shown_value(value)}.", f"Served: {', '.join(known)}.", where=where)
    for name in value:
        check_task(name, known, where)
    return list(dict.fromkeys(value))


def check_task(name: str, known: Collection[str], where: str = "") -> None:
    """Refuse a task that is not served.

    Raises:
        HttpError: 404, with the names that are.
    """
    if name not in known:
        hint = did_you_mean(name, list(known))
        found = f"Found {shown_value(name)}.{hint}"
        raise HttpError(
            404, "a task of the served model is expected.", found, f"Served: {', '.join(known)}.", where=where
        )


def check_text(text: str, where: str) -> str:
    """Refuse characters that no text of a model has.

    Raises:
        HttpError: NUL, or half of a surrogate pair.
    """
    if _UNFIT.search(text):
        rule = "texts are Unicode without NUL characters and halves of surrogate pairs."
        raise HttpError(422, rule, f"Found {shown_value(ascii(text))}.", "Remove them.", where=where)
    return text


def _row(row: object, where: str, columns: Collection[str]) -> RequestRow | str:
    if isinstance(row, str):
        return check_text(row, where)
    if not isinstance(row, dict) or not row:
        rule = "a row is a text, or an object with the texts of its columns."
        raise HttpError(422, rule, f"Found {shown_value(row)}.", ADVICE, where=where)
    check_keys(row, {*columns, ID}, where)
    return {name: _cell(value, name, f"{where}.{name}") for name, value in row.items()}


def _cell(value: object, name: str, where: str) -> object:
    if name == ID and isinstance(value, int) and not isinstance(value, bool) and math.fabs(value) < 2**53:
        return value
    if isinstance(value, str):
        return check_text(value, where)
    if name != ID and isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return [check_text(item, where) for item in value]
    rule = "an id is a string or a whole number." if name == ID else "a column holds a text, or a list of texts."
    raise HttpError(422, rule, f"Found {shown_value(value)}.", ADVICE, where=where)


def _text_tokens(text: object) -> int:
    return len(str(text).encode("utf-8", "replace")) // _BYTES_PER_TOKEN + 1


def text_of(row: RequestRow | str, columns: Sequence[str]) -> list[str]:
    """The texts of a row in the order of `columns`; those that are no texts are left out."""
    if isinstance(row, str):
        return [row]
    return [value for name in columns if isinstance(value := row.get(name), str)]
