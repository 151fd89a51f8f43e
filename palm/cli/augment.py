"""`palm augment`: write a file again with variants of its rows, in which a few words are others."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palm.errors import ConfigError, Problem, counted

if TYPE_CHECKING:
    from palm.data.augmentation import Augmentation, WordSource

EPILOG = """example:
  palm augment train.txt --type swap --output more.txt          characters of Chinese, words of other languages
  palm augment train.tsv --type substitute --encoder bert-base-chinese --output more.tsv
  palm augment train.jsonl --type insert --encoder output_model/words --columns sentence --num 3 --output more.jsonl
  palm augment train.csv --type substitute --method synonyms --synonyms words.txt --output more.csv
"""
_TYPES = ("swap", "delete", "insert", "substitute")


def add_parser(subparsers: Any) -> None:  # noqa: ANN401 (argparse keeps this class private)
    """Add the command to `palm`."""
    parser = subparsers.add_parser(
        "augment",
        help="write a file again with variants of its rows",
        description="Write the rows of a file and variants of them with the same labels: in a csv, tsv, JSON-lines or "
        "txt file (text, tab, label) of whole texts. Split off dev rows first: a variant of a dev row is no training "
        "row.",
        epilog=EPILOG,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the rows")
    parser.add_argument("--output", required=True, type=Path, metavar="NEWFILE", help="file to write")
    parser.add_argument(
        "--type", required=True, choices=_TYPES, help="what happens to words: swap and delete need no model"
    )
    parser.add_argument(
        "--method",
        choices=("mlm", "synonyms"),
        default="mlm",
        help="where insert and substitute take words from: a masked language model (default), or a file",
    )
    parser.add_argument(
        "--encoder", help="mlm: owner/model on a hub, a folder, a name, or a task of a run (RUN/task) with mlm"
    )
    parser.add_argument("--synonyms", type=Path, help="synonyms: a text file, the words of a group per line")
    parser.add_argument("--num", type=int, default=5, help="variants of each row (default: 5)")
    parser.add_argument(
        "--percent", type=float, default=0.1, help="fraction of the words that change, rounded up (default: 0.1)"
    )
    parser.add_argument("--columns", help="columns with texts: text_a,text_b (default: by their names)")
    parser.add_argument("--no_header", action="store_true", help="the first row names no columns; they are 0, 1, …")
    parser.add_argument("--encoding", default="utf-8", help="encoding of both files (default: utf-8)")
    parser.add_argument("--seed", type=int, default=1, help="another one gives other variants (default: 1)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace, overrides: list[str]) -> int:
    """Run the command."""
    del overrides  # the command reads no configuration
    from palm.data.augmentation import Augmentation, vary_rows  # noqa: PLC0415 (numpy; `palm --help` is quick)
    from palm.reader.formats.extendable import open_extendable  # noqa: PLC0415

    _check(args)
    table = open_extendable(args.file, encoding=args.encoding, header=not args.no_header)
    columns = table.text_columns(args.columns and _names(args.columns))
    rule = Augmentation(args.type, args.num, args.percent, args.seed)
    source = _source(args, rule)
    texts = [{name: str(row.get(name) or "") for name in columns} for row in table.rows]
    variants = vary_rows(texts, rule, source)
    rows = [{**row, **changed} for row, own in zip(table.rows, variants, strict=True) for changed in own]
    args.output.write_bytes(table.extended(rows).encode(args.encoding))
    _say(args, columns, len(table.rows), len(rows), sum(not own for own in variants))
    return 0


def _say(args: argparse.Namespace, columns: Sequence[str], rows: int, added: int, without: int) -> None:
    if not args.columns:
        sys.stderr.write(f"texts are in {', '.join(columns)} (--columns)\n")
    sys.stdout.write(f"{args.output.as_posix()}: {counted(rows, 'row')}, and {counted(added, 'variant')} of them.\n")
    if without and args.num:
        sys.stdout.write(f"  without a variant, since no word of them may change: {counted(without, 'row')}\n")


def _check(args: argparse.Namespace) -> None:
    """Refuse options that contradict each other, before anything is read."""
    from palm.reader.formats.extendable import kind_of  # noqa: PLC0415 (as above)

    problems = []
    if args.num < 0:
        problems.append(Problem("--num", f"a number of variants, at least 0, is expected. Found {args.num}."))
    if not 0 < args.percent <= 1:
        problems.append(Problem("--percent", f"a fraction above 0 and up to 1 is expected. Found {args.percent}."))
    if args.seed < 0:
        problems.append(Problem("--seed", f"a number, at least 0, is expected. Found {args.seed}."))
    if args.output.exists() and args.file.exists() and args.output.samefile(args.file):
        rule = "the rows are written to another file."
        problems.append(Problem("--output", f"{rule} Found the same, `{args.output}`. Give another name."))
    elif kind_of(args.file) is not None and kind_of(args.output) != kind_of(args.file):
        rule = f"the new file has the format of the old one, `{args.file.suffix}`."
        problems.append(Problem("--output", f"{rule} Found `{args.output.name}`. End it in `{args.file.suffix}`."))
    problems += _word_problems(args)
    if problems:
        raise ConfigError(problems)


def _word_problems(args: argparse.Namespace) -> list[Problem]:
    """Options about words that are missing, or of no effect."""
    by_model = args.method != "synonyms"
    needed = "--encoder" if by_model else "--synonyms"
    given = {"--encoder": args.encoder is not None, "--synonyms": args.synonyms is not None}
    needs_words = args.type in ("insert", "substitute")
    if needs_words and not given[needed]:
        what = "a masked language model" if by_model else "a file, the words of a group per line"
        return [Problem(needed, f"--type {args.type} --method {args.method} takes words from {what}. Name it.")]
    return [
        Problem(option, f"it has no effect with --type {args.type} --method {args.method}. Leave it out.")
        for option, is_given in given.items()
        if is_given and not (needs_words and option == needed)
    ]


def _source(args: argparse.Namespace, rule: "Augmentation") -> "WordSource | None":
    """The words that are inserted or substituted."""
    if rule.kind in ("swap", "delete"):
        return None
    if args.method == "synonyms":
        return _synonyms(args.synonyms, args.encoding)
    from palm.runtime.environment import prepare_runtime  # noqa: PLC0415 (only now: it takes seconds)
    from palm.runtime.paddle_import import import_paddle  # noqa: PLC0415

    prepare_runtime()
    import_paddle()
    from palm.inference.masked_words import load_masked_words  # noqa: PLC0415 (Paddle has to be set up first)

    return load_masked_words(args.encoder)


def _synonyms(file: Path, encoding: str) -> "WordSource":
    """The groups of a file: words in a line, separated by tabs or commas where there are any, else by blanks."""
    from palm.data.synonyms import Synonyms  # noqa: PLC0415 (as above)
    from palm.reader.formats.files import FileProblems, read_lines  # noqa: PLC0415

    problems, groups = FileProblems(file), []
    for number, line in enumerate(read_lines(file, encoding), 1):
        sign = next((sign for sign in "\t,，" if sign in line), None)
        words = [word.strip() for word in line.split(sign) if word.strip()]
        if len(words) == 1:
            problems.add("a line names words of one meaning, found a single one. Add others.", line=number)
        groups.append(words)
    problems.raise_all()
    return Synonyms.of_groups(groups)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
