"""Write the table of all keys into docs/configuration.md: `make docs`.

The table stands between two marks; everything else in the file is written by hand.
"""

import argparse
import os
import sys
from pathlib import Path

from palm.config.describe import keys_as_markdown

BEGIN = "<!-- keys: written by `make docs` -->\n"
END = "<!-- end of keys -->\n"


def with_keys(text: str, table: str) -> str:
    """`text` with `table` between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"docs/configuration.md needs the lines {BEGIN.strip()} and {END.strip()}.")
    return f"{before}{BEGIN}\n{table.strip()}\n\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where the file is out of date")
    check = parser.parse_args().check
    os.environ["PALM_LANG"] = "en"  # whatever the locale of who runs it
    file = Path(__file__).with_name("configuration.md")
    text = file.read_text(encoding="utf-8")
    wanted = with_keys(text, keys_as_markdown())
    if check:
        return int(wanted != text)
    file.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
