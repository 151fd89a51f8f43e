"""Bring palm/locale/zh_CN/LC_MESSAGES/palm.po up to date with the messages in palm/: `make messages`.

A msgid is a sentence of a message as it stands in the source, with `{name}` for what is filled in. The sentences are
taken from the syntax trees of the modules, so that no call site knows of translations. Sentences that are new get an
empty msgstr, those that are gone are removed. `--check` writes nothing, prints what is missing, and exits with 1.
`--fill FILE` takes translations from a JSON object, msgid → msgstr.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from messages_in_source import Message, extract

from palm.locale.catalog import CATALOG, read_catalog
from palm.locale.pattern import PLACEHOLDER

_MOST_PLACES = 3


def problems(messages: Mapping[str, Message], catalog: Mapping[str, str]) -> list[str]:
    """What has to be done: sentences to translate, entries that are gone, and placeholders that differ."""
    missing = [
        f"translate: {msgid}  ({message.places[0]})" for msgid, message in messages.items() if not catalog.get(msgid)
    ]
    gone = [f"remove: {msgid}" for msgid in catalog if msgid not in messages]
    return (
        missing
        + gone
        + [f"placeholders differ: {msgid} → {msgstr}" for msgid, msgstr in catalog.items() if _differ(msgid, msgstr)]
    )


def _differ(msgid: str, msgstr: str) -> bool:
    return bool(msgstr) and sorted(set(PLACEHOLDER.findall(msgid))) != sorted(set(PLACEHOLDER.findall(msgstr)))


def written(messages: Mapping[str, Message], catalog: Mapping[str, str], head: str) -> str:
    """The catalog as text: its head, which is written by hand, and an entry for each sentence."""
    entries = []
    for msgid, message in messages.items():
        lines = [f"#. {message.names}"] if message.names else []
        lines += [f"#: {' '.join(message.places[:_MOST_PLACES])}"]
        lines += [f"msgid {_quoted(msgid)}", f"msgstr {_quoted(catalog.get(msgid, ''))}"]
        entries.append("\n".join(lines))
    return f"{head.rstrip()}\n\n" + "\n\n".join(entries) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def head_of(text: str) -> str:
    """What stands before the first entry: comments and the entry without msgid."""
    return text.partition("\n\n#: ")[0].partition("\n\n#. ")[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where something is missing")
    parser.add_argument("--fill", type=Path, help="a JSON object with translations: msgid → msgstr")
    args = parser.parse_args()
    messages, catalog = extract(), read_catalog()
    if args.fill:
        catalog |= json.loads(args.fill.read_text(encoding="utf-8"))
    if not args.check:
        CATALOG.write_text(written(messages, catalog, head_of(CATALOG.read_text(encoding="utf-8"))), encoding="utf-8")
        catalog = read_catalog()
    found = problems(messages, catalog)
    sys.stdout.write("".join(f"{problem}\n" for problem in found))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
