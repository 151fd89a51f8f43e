import io
import sys

import pytest

from palm.locale.streams import TranslatedStream, data_stream, translated_streams


@pytest.fixture(autouse=True)
def _in_chinese(monkeypatch):
    monkeypatch.setenv("PALM_LANG", "zh")


def written(text: str, encoding: str = "utf-8") -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    assert TranslatedStream(stream).write(text) == len(text)
    return stream.buffer.getvalue().decode(encoding)


def test_a_line_is_translated():
    assert written("mrqa: train finished!\n") == "mrqa: 训练完成！\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_the_encoding_lacks_stays_english(encoding):
    assert written("mrqa: train finished!\n", encoding) == "mrqa: train finished!\n"


def test_gbk_has_chinese():
    assert written("mrqa: train finished!\n", "gbk") == "mrqa: 训练完成！\n"


@pytest.mark.parametrize("text", ['{"text": "all tasks"}\n', "\rtrain finished!", "\x1b[1mtrain finished!\x1b[0m"])
def test_json_and_lines_with_control_characters_stay(text):
    assert written(text) == text


def test_streams_are_translated_within_the_block_alone(monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with translated_streams():
        sys.stdout.write("train finished!")
        sys.stdout.writelines(["all tasks", "\n"])
        sys.stderr.write("all targets")
        data_stream(sys.stdout).write("all tasks")
    assert (sys.stdout, sys.stderr) == (out, err)
    assert (out.getvalue(), err.getvalue()) == ("训练完成！所有任务\nall tasks", "所有目标任务")


def test_english_changes_nothing(monkeypatch):
    monkeypatch.setenv("PALM_LANG", "en")
    before = sys.stdout
    with translated_streams():
        assert sys.stdout is before


def test_a_stream_that_was_replaced_meanwhile_stays(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    other = io.StringIO()
    with translated_streams():
        sys.stdout = other
    assert sys.stdout is other


def test_data_of_another_stream():
    stream = io.StringIO()
    assert data_stream(stream) is stream
