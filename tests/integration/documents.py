"""Reads README and docs for the tests that hold them to the code."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
READMES = ("README.md", "README_zh.md")
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", ".github/**/*.md", "docs/**/*.md", "examples/**/*.md", "data/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Fenced code blocks of one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [content for name, content in found if name == language]


def without_comments(block: str) -> list[str]:
    return [re.sub(r"\s+# .*$", "", line).rstrip() for line in block.splitlines()]


def prose(text: str) -> str:
    """`text` without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def section(text: str, number: int) -> str:
    """The text under the `number`th second-level heading."""
    return re.split(r"^## .*$", text, flags=re.MULTILINE)[number]


def sections(text: str) -> list[str]:
    """The second-level headings."""
    return re.findall(r"^## (.*)$", prose(text), re.MULTILINE)


def tables(text: str) -> list[list[str]]:
    """Each table as its rows, without the two lines of its header."""
    found = re.findall(r"(?:^\|.*\n?)+", prose(text), re.MULTILINE)
    return [table.splitlines()[2:] for table in found]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = 1
        while (anchor := slug if number == 1 else f"{slug}-{number - 1}") in found:
            number += 1
        found.add(anchor)
    return found


def links(name: str) -> list[str]:
    """Where the links and pictures of a page lead, within the repository."""
    text = prose(read(name))
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset|href)="([^"]+)"', text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]
