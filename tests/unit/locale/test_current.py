import subprocess
import sys

import pytest

from palm.locale.current import (
    accepted_language,
    chosen_language,
    in_language,
    language_problem,
    translated,
    translated_phrase,
    translated_word,
)


def test_english_stays(monkeypatch):
    monkeypatch.setenv("PALM_LANG", "en")
    assert translated("Found nothing.") == "Found nothing."
    assert translated_word("commands") == "commands"
    assert translated_phrase("0:23 left") == "0:23 left"


def test_chinese(monkeypatch):
    monkeypatch.setenv("PALM_LANG", "zh")
    assert translated("mrqa: train finished!") == "mrqa: 训练完成！"
    assert translated_word("commands") == "命令"
    assert translated_phrase("0:23 left") == "剩余 0:23"
    assert translated("0:23 left") == "0:23 left", "in a line it may be a name"


def test_nothing_is_loaded_in_english():
    code = "import sys, palm.cli.main as m; m.main(['--help']); print([n for n in sys.modules if 'locale' in n])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PALM_LANG": "en"}
    )
    loaded = done.stdout.splitlines()[-1]
    assert "palm.locale.current" in loaded
    assert "palm.locale.translator" not in loaded
    assert "palm.locale.catalog" not in loaded


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        ({"PALM_LANG": "zh"}, "zh"),
        ({"PALM_LANG": "zh-Hans", "LC_ALL": "C"}, "zh"),
        ({"PALM_LANG": "en", "LC_ALL": "zh_CN.UTF-8"}, "en"),
        ({"PALM_LANG": "fr", "LC_ALL": "zh_CN.UTF-8"}, "zh"),
        ({"PALM_LANG": "zhuang"}, "en"),
    ],
)
def test_palm_lang_wins_over_the_locale(environment, language):
    assert chosen_language(environment) == language


def test_a_page_has_a_language_of_its_own(monkeypatch):
    monkeypatch.setenv("PALM_LANG", "en")
    with in_language("zh"):
        assert translated_word("commands") == "命令"
        with in_language("en"):
            assert translated_word("commands") == "commands"
        with in_language(None):
            assert translated_word("commands") == "命令"
    assert translated_word("commands") == "commands"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9", "en"),
        ("fr, de;q=0.9, zh-TW;q=0.5, en;q=0.4", "zh"),
        ("en;q=0.2, zh;q=0.7", "zh"),
        ("zh;q=0, en;q=0.1", "en"),
        ("zh; q=0.3, en ;q=x", "zh"),
        ("fr", None),
        ("", None),
    ],
)
def test_the_language_that_a_browser_asks_for(header, language):
    assert accepted_language(header) == language


def test_an_unknown_language_is_a_problem():
    assert language_problem({"PALM_LANG": "fr"}) == "PALM_LANG is `zh` or `en`. Found `fr`. The locale decides instead."


@pytest.mark.parametrize("value", ["", "zh", "en", "zh_CN.UTF-8", "EN"])
def test_a_known_language_is_none(value):
    assert language_problem({"PALM_LANG": value}) is None
