"""stdout and stderr of the command line in the language of the user."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from palm.locale.current import ENGLISH, chosen_language, translated


class TranslatedStream:
    """A stream that translates the lines that are written to it.

    JSON, lines with control characters (of progress bars and colours, which are translated before they are laid out)
    and what its encoding cannot show are written as they are.

    Args:
        stream: The stream to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self.untranslated = stream

    def write(self, text: str) -> int:
        """Write `text`, translated; returns the length of what was given."""
        self.untranslated.write(self._shown(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write lines, translated."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the stream has)
        return getattr(self.untranslated, name)

    def _shown(self, text: str) -> str:
        if "\r" in text or "\x1b" in text or text.lstrip()[:1] in ("{", "["):
            return text
        shown = translated(text)
        try:
            shown.encode(self.untranslated.encoding or "utf-8")
        except UnicodeEncodeError:
            return text
        return shown


@contextmanager
def translated_streams() -> Iterator[None]:
    """Within the block, what is written to stdout and stderr is translated; nothing changes in English."""
    before = sys.stdout, sys.stderr
    if chosen_language() == ENGLISH or isinstance(sys.stdout, TranslatedStream):
        yield
        return
    sys.stdout, sys.stderr = (cast("TextIO", TranslatedStream(stream)) for stream in before)
    try:
        yield
    finally:
        for name, stream in zip(("stdout", "stderr"), before, strict=True):
            if isinstance(getattr(sys, name), TranslatedStream):  # else it was replaced meanwhile
                setattr(sys, name, stream)


def data_stream(stream: TextIO) -> TextIO:
    """The stream for data, such as predictions and texts of the user, which are never translated."""
    return stream.untranslated if isinstance(stream, TranslatedStream) else stream
