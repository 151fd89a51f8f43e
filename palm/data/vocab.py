"""Reads a vocabulary file: one token per line, whose id is the line number."""

from pathlib import Path

from palm.errors import ConfigError, Problem, counted
from palm.schema.places import pointer_problem

PAD, UNK, CLS, SEP, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCAB_FILE = "vocab.txt"
MOST_LISTED = 20


def load_vocab(path: Path | str) -> list[str]:
    """Tokens in the order of their ids, from BERT's format (`token`) or ERNIE's (`token<TAB>id`).

    An empty line is a token like any other, though no text has it: without it, all later ids would shift.

    Raises:
        ConfigError: The file is missing, empty or not UTF-8, repeats a token, has an id that is not the line number, or
            lacks a special token; every problem with file and line.
    """
    tokens, problems = _parse(_lines(Path(path)), path)
    missing = [token for token in SPECIAL_TOKENS if token not in set(tokens)]
    if missing:
        rule = f"a vocabulary contains {', '.join(SPECIAL_TOKENS)}, missing: {', '.join(missing)}"
        problems.append(
            Problem(str(path), f"{rule} (in {counted(len(tokens), 'line')}). Add them, or name another vocab_path.")
        )
    if problems:
        rest = len(problems) - MOST_LISTED
        raise ConfigError(problems[:MOST_LISTED] + ([Problem(str(path), f"and {rest} more.")] if rest > 0 else []))
    return tokens


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise ConfigError(Problem(str(path), f"the vocabulary must be a file, found {found}. Set vocab_path."))
    raw = path.read_bytes()
    pointer = pointer_problem(path)
    if pointer is not None:
        raise ConfigError(Problem(str(path), pointer))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, byte = raw[: error.start].count(b"\n") + 1, raw[error.start]
        raise ConfigError(
            Problem(f"{path}:{line}", f"a vocabulary is UTF-8, found byte 0x{byte:02x}. Convert the file.")
        ) from None
    if not text.strip():
        raise ConfigError(
            Problem(str(path), "a vocabulary has one token per line, found an empty file. Set vocab_path.")
        )
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def _parse(lines: list[str], path: Path | str) -> tuple[list[str], list[Problem]]:
    """The tokens, and the problems of their lines."""
    with_ids = all("\t" in line for line in lines if line)
    first_line: dict[str, int] = {}
    tokens, problems = [], []
    for number, line in enumerate(lines, 1):
        token, _, written = line.rpartition("\t") if with_ids else (line, "", "")
        where = f"{path}:{number}"
        if token and token in first_line:
            rule = f"a token occurs once, found `{token}` again (first in line {first_line[token]})"
            problems.append(Problem(where, f"{rule}. Remove one; note that ids are line numbers."))
        if with_ids and line and written.strip() != str(number - 1):
            problems.append(
                Problem(where, f"ids count up from 0 line by line, found `{written}` for {number - 1}. Sort the file.")
            )
        first_line.setdefault(token, number)
        tokens.append(token)
    return tokens, problems
