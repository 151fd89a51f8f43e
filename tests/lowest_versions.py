"""Prints the lowest versions that PALM says it runs with, a line each: `python tests/lowest_versions.py`.

`make lowest` installs them and runs the tests. Python 3.10 has no tomllib, so the file is read as text.
"""

import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
_REQUIREMENT = re.compile(r'"([A-Za-z0-9_.-]+)>=([0-9][0-9a-z.]*)[^"]*"')


def lowest_versions(text: str) -> dict[str, str]:
    """Name and lower bound of every dependency, those of the extras `cpu` and `test` included."""
    core = text.split("\ndependencies = [", 1)[1].split("\n]", 1)[0]
    extras = re.findall(r"^(?:cpu|test) = \[(.*?)\]$", text, re.MULTILINE | re.DOTALL)
    found = _REQUIREMENT.findall("".join([core, *extras]))
    return dict(found)


def main() -> int:
    """Print them."""
    versions = lowest_versions(PROJECT.read_text(encoding="utf-8"))
    sys.stdout.write("".join(f"{name}=={version}\n" for name, version in versions.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
