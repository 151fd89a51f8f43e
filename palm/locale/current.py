"""The language of this process, `PALM_LANG` or the locale: translates what is shown where it is Chinese.

In English it loads nothing.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palm.locale.translator import Translator

ENGLISH, CHINESE = "en", "zh"
LANGUAGES = (ENGLISH, CHINESE)
TAGS = {ENGLISH: "en", CHINESE: "zh-CN"}
"""What HTML calls them."""

LANGUAGE_VARIABLE = "PALM_LANG"
_LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")  # in the order of POSIX: the first that is set decides
_of_page: ContextVar[str | None] = ContextVar("language", default=None)


def translated(text: str, language: str | None = None) -> str:
    """`text` in a language, by default that of the user; what the catalog does not have stays in English."""
    if (language or chosen_language()) == ENGLISH:
        return text
    return _translator().text(text, limited=language is not None)  # a language of its own has a request


def translated_phrase(phrase: str) -> str:
    """A phrase that PALM has made, such as `0:23 left`, in the language of the user; in a line it might be a name."""
    return phrase if chosen_language() == ENGLISH else _translator().phrase(phrase)


def translated_word(word: str) -> str:
    """A word that stands alone, such as a heading, in the language of the user."""
    return word if chosen_language() == ENGLISH else _translator().word(word)


@contextmanager
def in_language(name: str | None) -> Iterator[None]:
    """Within the block, texts are in this language, `en` or `zh`, such as those of a page; None changes nothing."""
    before = _of_page.set(name or _of_page.get())
    try:
        yield
    finally:
        _of_page.reset(before)


def accepted_language(header: str) -> str | None:
    """The first language of an `Accept-Language` header that pages have, by its weights; None without any."""
    asked = [part.partition(";") for part in header.split(",")]
    ranked = sorted(asked, key=lambda part: -_weight(part[2]))
    named = (_language_of(part[0].strip()) for part in ranked if _weight(part[2]) > 0)
    return next((language for language in named if language in LANGUAGES), None)


def _weight(parameters: str) -> float:
    """The `q` of RFC 9110, section 12.4.2: 1 where it is not given, 0 where it is no number."""
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def chosen_language(environment: Mapping[str, str] = os.environ) -> str:
    """`zh` or `en`. Locales of traditional Chinese get the same, simplified texts."""
    of_page = _of_page.get()
    if of_page is not None:
        return of_page
    asked = _language_of(environment.get(LANGUAGE_VARIABLE, ""))
    if asked in (ENGLISH, CHINESE):
        return asked
    named = next((environment[name] for name in _LOCALE_VARIABLES if environment.get(name)), "")
    return CHINESE if _language_of(named) == CHINESE else ENGLISH


def language_problem(environment: Mapping[str, str] = os.environ) -> str | None:
    """What is wrong with `PALM_LANG`; None if it is not set or names a language."""
    asked = environment.get(LANGUAGE_VARIABLE, "")
    if not asked or _language_of(asked) in (ENGLISH, CHINESE):
        return None
    return f"{LANGUAGE_VARIABLE} is `zh` or `en`. Found `{asked}`. The locale decides instead."


def _language_of(name: str) -> str:
    """`zh` of `zh_CN.UTF-8`, `zh-Hant` and `ZH`."""
    return name.replace("-", "_").partition("_")[0].partition(".")[0].lower()


@cache
def _translator() -> "Translator":
    from palm.locale.catalog import read_catalog  # noqa: PLC0415 (only where it is Chinese)
    from palm.locale.translator import Translator  # noqa: PLC0415

    return Translator(read_catalog())
