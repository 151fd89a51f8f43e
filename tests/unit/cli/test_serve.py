"""Command lines of workers and the log of `palm serve`; what it answers is in tests/integration/test_serve.py."""

import argparse
import logging

from palm.cli import serve


def parsed(*words):
    parser = argparse.ArgumentParser()
    serve.add_parser(parser.add_subparsers(dest="command"))
    return parser.parse_args(["serve", *words])


def test_a_worker_gets_its_options_but_not_what_it_inherits():
    given = parsed(
        "run", "--workers", "2", "--threads", "8", "--port", "9", "--token_file", "t", "--tasks", "a,b", "--reload"
    )
    words = serve._worker_words(given)
    assert words[:4] == ["-m", "palm", "serve", "--host=127.0.0.1"]
    assert words[-2:] == ["--", "run"]
    assert {"--tasks=a,b", "--reload"} <= set(words)
    # Its part of the threads is in OMP_NUM_THREADS: --threads are those of all workers together.
    inherited = ("--workers", "--threads", "--port", "--token")
    assert [word for word in words if word.startswith(inherited)] == []


def test_the_log_says_once_what_is_said_of_every_row_and_remembers_no_more_than_it_writes():
    once = serve._OncePerMessage()

    def warning(text):
        return logging.LogRecord("palm.reader", logging.WARNING, __file__, 1, text, None, None)

    assert [once.filter(warning(text)) for text in ("a", "a", "b")] == [True, False, True]
    for number in range(1000):
        once.filter(warning(f"row {number}"))
    assert len(once._said) == 100
    information = logging.LogRecord("palm", logging.INFO, __file__, 1, "a", None, None)
    assert once.filter(information)
