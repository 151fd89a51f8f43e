"""Builds the documentation site, in English and in Chinese below it: `python docs/build_site.py [--output site]`.

Pages are written for readers of the repository: links are paths in it, and `name_zh.md` lies beside `name.md`. Here
each language gets a folder with one page per name, in which links lead on as in the repository: to pages, to headings,
to files outside docs/. A page without a translation is shown in English. MkDocs builds the folders; a warning is an
error. docs/adr/0010-documentation-site.md gives the reasons.
"""

import argparse
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jieba
from mkdocs.commands.build import build
from mkdocs.config import load_config

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the folder is no package

from site_links import check_site
from site_pages import FENCE, ROOT, Page, pages_of, rewrite_links

CONFIGS = {"en": "mkdocs.yml", "zh": "mkdocs_zh.yml"}
# Python-Markdown's anchors of headings are compared with GitHub's by the links of the pages themselves.
HEADING = re.compile(r"^(#{1,6}) (.*)$", re.MULTILINE)
# A line ends within a Chinese sentence: a browser would show a blank there.
BREAK_IN_CHINESE = re.compile(r"(?<=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef])\n {0,3}(?=[\u4e00-\u9fff])")
ROW_OF_TABLE = re.compile(r"^\|.*$", re.MULTILINE)
CODE = re.compile(r"`[^`\n]+`")


def build_site(output: Path) -> list[str]:
    """Build both languages into `output`.

    Args:
        output: Folder of the site; what is in it is removed.

    Returns:
        The links to other hosts, sorted. They are not fetched.

    Raises:
        mkdocs.exceptions.Abort: MkDocs warns of something, such as a link to a heading that is missing.
        ValueError: A link of the built pages leads nowhere, or a page loads something from another host.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for language, name in CONFIGS.items():
            staged = Path(scratch) / language
            stage(language, staged)
            folder = output if language == "en" else output / language
            config = load_config(
                str(ROOT / "docs" / "site" / name), docs_dir=str(staged), site_dir=str(folder), strict=True
            )
            config.nav = [_with_decisions(section, staged) for section in config.nav or []]
            build(config)
    (output / "zh" / "404.html").unlink()  # the server takes that of the root
    for page in output.rglob("*.html"):
        _without_empty_headers(page)
    return check_site(output)


def _without_empty_headers(page: Path) -> None:
    """Make the empty first cell of a table's header a plain cell: a header without a name confuses screen readers."""
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(r"<th([^>]*)></th>", r"<td\1></td>", text), encoding="utf-8")


def _with_decisions(section: dict[str, list[str]], staged: Path) -> dict[str, list[str]]:
    """A section of the navigation, with the file names in place of `adr/*`."""
    decisions = sorted(f"adr/{file.name}" for file in (staged / "adr").glob("*.md"))
    return {
        title: [name for entry in pages for name in (decisions if entry == "adr/*" else [entry])]
        for title, pages in section.items()
    }


def stage(language: str, target: Path) -> None:
    """Write the pages of a language, and the files that they link, into a new folder."""
    pages = pages_of(language)
    for page in pages.values():
        file = target / page.staged
        file.parent.mkdir(parents=True, exist_ok=True)
        if page.source.endswith(".md"):
            file.write_text(page_text(page, pages), encoding="utf-8")
        else:
            shutil.copyfile(ROOT / page.source, file)


def page_text(page: Page, pages: dict[str, Page]) -> str:
    """The Markdown of a page as it is built."""
    parts = FENCE.split(rewrite_links(page, pages))
    slugs = iter(page.english_slugs)
    shown = [part if FENCE.fullmatch(part) else _as_on_github(part) for part in parts]
    anchored = [part if FENCE.fullmatch(part) else HEADING.sub(lambda m: _anchored(m, slugs), part) for part in shown]
    only_here = page.source.startswith("docs/") and not (ROOT / page.source.replace("_zh.md", ".md")).exists()
    return f"---\nlang: {page.language}\nonly_here: {only_here}\n---\n\n{''.join(anchored)}"


def _as_on_github(text: str) -> str:
    """Text of which Python-Markdown makes what GitHub makes: in code of a table it would show the escape of a bar."""
    unescaped = ROW_OF_TABLE.sub(lambda row: CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0]), text)
    return BREAK_IN_CHINESE.sub("", unescaped)


def _anchored(heading: re.Match[str], slugs: Iterator[str]) -> str:
    """A heading of a translation, also found by the anchor of the original."""
    slug = next(slugs, None)
    return f'<a id="{slug}"></a>\n\n{heading[0]}' if slug and len(heading[1]) > 1 else heading[0]


def main() -> int:
    """Build the site and print where it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "site", help="folder of the site, which is replaced")
    output = parser.parse_args().output
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    jieba.setLogLevel(logging.WARNING)
    external = build_site(output)
    (output / "external_links.txt").write_text("".join(f"{link}\n" for link in external), encoding="utf-8")
    print(f"{output}: {len(external)} links to other hosts are listed in external_links.txt and were not fetched.")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
    sys.exit(main())
