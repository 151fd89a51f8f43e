"""Imports Paddle without the lines that it says at every import and that help nobody here."""

import contextlib
import importlib
import io
import sys
import warnings

# A missing ccache concerns who compiles Paddle extensions; several OpenMP threads are what PALM asks for.
_KNOWN_LINES = ("WARNING: OMP_NUM_THREADS set to", "PLEASE USE OMP_NUM_THREADS WISELY.")


def import_paddle() -> None:
    """Import Paddle; whatever else it has to say is still said."""
    if "paddle" in sys.modules:
        return
    said = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(said):
            warnings.filterwarnings("ignore", message="No ccache found", category=UserWarning)
            importlib.import_module("paddle")
    finally:
        unknown = [line for line in said.getvalue().splitlines() if not line.startswith(_KNOWN_LINES)]
        sys.stderr.write("".join(f"{line}\n" for line in unknown))
