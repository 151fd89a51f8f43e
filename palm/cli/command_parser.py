"""Separates a command's own options, which argparse parses, from overrides of keys, which are passed on."""

import argparse
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn

from palm.locale.current import translated, translated_word
from palm.locale.width import width_of, wrapped
from palm.registry import did_you_mean

_ASSIGNMENT = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*=.*", re.DOTALL)
_TRUTH = ("true", "false", "yes", "no", "on", "off", "0", "1")


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps descriptions and examples as written, in the language of the user: translated before it is laid out."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:  # noqa: ANN401
        """Add the usage, whose first word is translated."""
        super().add_usage(usage, actions, groups, _usage() if prefix is None else prefix)

    def start_section(self, heading: str | None) -> None:
        """Begin a section under its translated heading."""
        super().start_section(heading and translated_word(heading))

    def add_text(self, text: str | None) -> None:
        """Add a description or examples."""
        super().add_text(text and translated(text))

    def _expand_help(self, action: argparse.Action) -> str:
        return translated(super()._expand_help(action))

    def _split_lines(self, text: str, width: int) -> list[str]:
        if width_of(text) == len(text):
            return super()._split_lines(text, width)
        return wrapped(text, width)


class CommandParser(argparse.ArgumentParser):
    """A parser that never guesses abbreviations, keeps example epilogs as written, and hints at misspelt flags."""

    def __init__(self, **settings: object) -> None:
        settings.setdefault("formatter_class", HelpFormatter)
        super().__init__(**{**settings, "allow_abbrev": False})  # type: ignore[arg-type]
        self.takes_texts: Callable[[Sequence[str]], bool] = lambda _: False
        """Whether words after these positional ones are texts, so that `x=3` is no override."""

    def error(self, message: str) -> NoReturn:
        """Report the error in one line and exit with code 2."""
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help.\n")

    def refuse(self, word: str) -> NoReturn:
        """Exit with an error about the unknown `word`."""
        if not word.startswith("-"):
            self.error(f"unexpected argument `{word}`")
        hint = did_you_mean(word.split("=")[0].replace("-", "_"), [name.replace("-", "_") for name in self._flags()])
        known = ", ".join(self._flags())
        self.error(f"unknown option `{word}`.{hint.replace('`__', '`--')} Known: {known}")

    def with_declared_spelling(self, words: Sequence[str]) -> list[str]:
        """`words` with `--task-dir` written as the declared `--task_dir`; everything after `--` stays."""
        end = words.index("--") if "--" in words else len(words)
        return [self._declared(word) for word in words[:end]] + list(words[end:])

    def split_overrides(
        self, words: Sequence[str], true_or_false: Callable[[], Collection[str]]
    ) -> tuple[list[str], list[str]]:
        """Separate this command's options from overrides: `--learning_rate -0.5`, `--use_ema`, `tasks.a.batch_size=8`.

        Args:
            words: The command line after the command's name.
            true_or_false: Returns the keys that need no value; called only where it matters.

        Returns:
            The arguments for argparse and the overrides, each in order.

        """
        own: list[str] = []
        positionals: list[str] = []
        overrides: list[str] = []
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word == "--":
                return [*self._in_order(own, positionals), word, *rest], overrides
            if word.split("=")[0] in self._option_string_actions:
                own += self._take_declared(word, rest)
            elif word.startswith("--"):
                overrides += _take_override(word, rest, true_or_false)
            elif _ASSIGNMENT.fullmatch(word) and not self.takes_texts(positionals):
                overrides.append(word)
            else:
                own.append(word)
                positionals.append(word)
        return self._in_order(own, positionals), overrides

    def _in_order(self, own: list[str], positionals: list[str]) -> list[str]:
        """Texts together and first: argparse would take those behind an option for unexpected words."""
        if not self.takes_texts(positionals):
            return own
        options = list(own)
        for word in positionals:
            options.remove(word)
        return [*positionals, *options]

    def _take_declared(self, word: str, rest: list[str]) -> list[str]:
        """A declared option and its value, taken from `rest` so that the value is not mistaken for an override."""
        action = self._option_string_actions[word.split("=")[0]]
        if "=" in word or action.nargs == 0 or not rest:
            return [word]
        if action.nargs == "?" and action.choices is not None and rest[0] not in action.choices:
            return [f"{word}={action.const}"]
        if action.nargs in ("?", "*", "+") and rest[0].startswith("--"):
            return [word]
        return [word, rest.pop(0)]

    def _declared(self, word: str) -> str:
        flag, separator, value = word.partition("=")
        spelt = f"--{flag[2:].replace('-', '_')}"
        known = (
            flag.startswith("--") and flag not in self._option_string_actions and spelt in self._option_string_actions
        )
        return f"{spelt}{separator}{value}" if known else word

    def _flags(self) -> list[str]:
        return [name for name in self._option_string_actions if name.startswith("--")]


def _take_override(word: str, rest: list[str], true_or_false: Callable[[], Collection[str]]) -> list[str]:
    """An override and its value: the next word, unless that is a flag, or the key is true or false and needs none."""
    if "=" in word or not rest or rest[0].startswith("--"):
        return [word]
    key = word[2:].rsplit(".", 1)[-1].replace("-", "_")
    if rest[0].lower() not in _TRUTH and key in true_or_false():
        return [word]
    return [word, rest.pop(0)]


def _usage() -> str:
    """`usage: `, or its translation, which ends in a wide colon."""
    word = translated("usage:")
    return f"{word} " if word.isascii() else word
