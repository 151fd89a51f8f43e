"""Which language a request asks for, and what is translated of a refusal."""

import time

import pytest

from palm.inference.serving.errors import HttpError, shown_value
from palm.inference.serving.language import in_language, language_of


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", "en"),
        ("en;q=0.5, ZH-Hant-TW; q=0.7", "zh"),
        ("fr, zh;q=0.1", "zh"),
        ("zh;q=0", "en"),
        ("zh;q=0, fr", "en"),
        ("*", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("zhuang", "en"),
        ("zh;q=high, ;q=1, \x00", "en"),
        ("en,zh", "en"),
    ],
)
def test_the_language_that_is_liked_best(header, language):
    assert language_of([(b"accept-language", header.encode())]) == language


def test_a_header_is_found_in_bytes_and_may_come_twice():
    assert language_of([(b"host", b"zh"), (b"accept-language", b"fr"), (b"accept-language", b"zh;q=0.2")]) == "zh"
    assert language_of([(b"accept-language", b"\xff\xfe")]) == "en"


def test_a_refusal_is_translated_but_for_what_programs_read():
    error = HttpError(422, "a tensor is an object.", "Found 3.", "Send one text.", where="inputs[2]")
    title = {"status": 422, "title": error.content()["error"]["title"], "where": "inputs[2]"}
    assert error.content() == {
        "error": {**title, "rule": "a tensor is an object.", "found": "Found 3.", "advice": "Send one text."}
    }
    assert error.content("zh") == {
        "error": {**title, "rule": "张量应为对象。", "found": "实际为 3。", "advice": "请发送一段文本。"}
    }


@pytest.mark.parametrize(
    "value",
    [
        "an empty body",
        {"a": "b", "c": [1, None, {"d": "not in the file"}]},
        [["a", "b"]],
        ["no column " * 5] * 9,
        'a "quoted" text',
        "`no column`",
        "x" * 500,
        "the server stops. " * 20,
    ],
)
def test_what_a_request_holds_is_never_translated(value):
    assert in_language(f"Found {shown_value(value)}.", "zh") in (
        f"实际为 {shown_value(value)}。",
        f"实际为 {shown_value(value)}.",
    )


def test_a_request_cannot_fake_a_mark():
    text = f"Found {shown_value('a')} and `{chr(0xE000)}7`."
    assert in_language(text, "zh") == text


def test_no_request_makes_its_refusal_slow():
    value = ", ".join(["is not the column; of a task (in the file)"] * 40)
    in_language("Found 3.", "zh")  # the catalog is read once
    began = time.process_time()
    in_language(f"Found {value}.", "zh")
    assert time.process_time() - began < 1
