"""Lines of stdin become rows: texts between tabs, or JSON objects with a name that is known."""

import json

import pytest

from palm.cli.pred_texts import rows_of_lines

PAIR = {"premise": "the cat", "hypothesis": "猫"}


def test_a_json_object_with_a_name_that_people_use_is_a_row() -> None:
    line = json.dumps(PAIR).encode()
    assert rows_of_lines([line], ("text_a", "text_b"), ["premise", "hypothesis"]) == [PAIR]
    own = {"text_a": "the", "text_b": "cat", "url": 1}
    assert rows_of_lines([json.dumps(own).encode()], ("text_a", "text_b"), ["premise"]) == [own]


@pytest.mark.parametrize("text", ['{"other": 1}', '{"premise": ', '["premise"]', "{premise}"])
def test_other_json_is_text(text: str) -> None:
    assert rows_of_lines([text.encode()], ("text_a",), ["premise"]) == [{"text_a": text}]
