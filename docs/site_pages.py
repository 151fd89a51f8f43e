"""Which pages the documentation site has in a language, and where their links lead there."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Code comes first, since brackets in it are no link; the text of a link may hold code.
LINK = re.compile(r"`[^`\n]+`|(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<link>[^)\s]+)\)")
ATTRIBUTE = re.compile(r'(?P<name>src|srcset|href)="(?P<link>[^"]+)"')
FENCE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page, or a file that pages link.

    Attributes:
        source: Its path in the repository.
        staged: Its path in the folder that is built.
        language: The language of its text.
        english_slugs: Of a translation, the anchors of the original's headings, in their order.
    """

    source: str
    staged: str
    language: str
    english_slugs: tuple[str, ...] = ()


def pages_of(language: str) -> dict[str, Page]:
    """What the site has in a language, by path in the repository; the original of a translation leads to it, too."""
    pages: dict[str, Page] = {}
    originals = sorted(_relative(file) for file in (ROOT / "docs").rglob("*.md"))
    for source in originals:
        if not source.endswith("_zh.md"):
            pages[source] = _docs_page(source, language)
    if language == "zh":
        for source in (name for name in originals if name.endswith("_zh.md")):
            pages[source] = _docs_page(source.replace("_zh.md", ".md"), language)
    open_pages = [page.source for page in pages.values()]
    while open_pages:
        for linked in sorted(_linked_files(open_pages.pop())):
            if linked not in pages and not (linked.startswith("docs/") and linked.endswith(".md")):
                pages[linked] = _other_page(linked)
                open_pages += [linked] if linked.endswith(".md") else []
    return pages


def _docs_page(source: str, language: str) -> Page:
    staged = re.sub(r"(^|/)README\.md$", r"\1index.md", source.removeprefix("docs/"))
    translation = source.replace(".md", "_zh.md")
    if language != "zh" or not (ROOT / translation).exists():
        return Page(source, staged, "en")
    original = ROOT / source
    return Page(translation, staged, "zh", tuple(slugs_of(read_text(source))) if original.exists() else ())


def _other_page(source: str) -> Page:
    staged = source.removeprefix("docs/") if source.startswith("docs/") else f"repository/{source}"
    return Page(source, staged, "zh" if "_zh" in source else "en")


def slugs_of(text: str) -> list[str]:
    """The anchors that GitHub gives to the headings of a page, its title among them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.M)
    words = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return [re.sub(r"[^\w\- ]", "", word).replace(" ", "-") for word in words]


def read_text(source: str) -> str:
    """The text of a file of the repository."""
    return (ROOT / source).read_text(encoding="utf-8")


def _relative(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _linked_files(source: str) -> set[str]:
    """The files of the repository that a page links; a folder stands for its README."""
    if not source.endswith(".md"):
        return set()
    text = FENCE.sub("", read_text(source))
    links = [match["link"] for pattern in (LINK, ATTRIBUTE) for match in pattern.finditer(text)]
    targets = {target_of(source, link) for link in links if link}
    return {target for target in targets if target and (ROOT / target).is_file()}


def target_of(source: str, link: str) -> str:
    """The path in the repository that a link of a page leads to, "" if it leads out of it or stays on the page."""
    path = link.partition("#")[0]
    if not path or re.match(r"[a-z]+:", link):
        return ""
    target = os.path.normpath(os.path.join(os.path.dirname(source), path))
    readme = f"{target}/README.md"
    return readme if (ROOT / target).is_dir() and (ROOT / readme).is_file() else target


def rewrite_links(page: Page, pages: dict[str, Page]) -> str:
    """The text of a page with its links as they are in the folder that is built."""

    def link(match: re.Match[str]) -> str:
        target = target_of(page.source, match["link"] or "")
        if not target:
            return match[0]
        anchor = match["link"].partition("#")[2]
        if target.startswith("docs/") and _is_other_language(page, target, pages):
            return f'<a href="{_other_language(page, target)}{anchor and "#" + anchor}">{match["text"]}</a>'
        if target not in pages:  # a folder of the repository
            return match["text"]
        path = os.path.relpath(pages[target].staged, os.path.dirname(page.staged) or ".")
        return f"{match['image']}[{match['text']}]({path}{anchor and '#' + anchor})"

    def attribute(match: re.Match[str]) -> str:
        target = target_of(page.source, match["link"])
        return f'{match["name"]}="{_raw_path(page, pages[target].staged)}"' if target in pages else match[0]

    parts = FENCE.split(read_text(page.source))
    return "".join(part if FENCE.fullmatch(part) else ATTRIBUTE.sub(attribute, LINK.sub(link, part)) for part in parts)


def _is_other_language(page: Page, target: str, pages: dict[str, Page]) -> bool:
    if page.source.endswith("_zh.md"):
        return target == page.source.replace("_zh.md", ".md")
    return target.endswith("_zh.md") and target not in pages


def _other_language(page: Page, target: str) -> str:
    """The address of a page in the other language, relative to that of `page`; Chinese is in the folder zh."""
    address = address_of(_docs_page(target.replace("_zh.md", ".md"), "en").staged)
    own = address_of(page.staged)
    return _relpath(address, f"zh/{own}") if page.language == "zh" else _relpath(f"zh/{address}", own)


def _raw_path(page: Page, staged: str) -> str:
    """The path from the address of a page to a file, for HTML that MkDocs leaves as it is."""
    return _relpath(address_of(staged) if staged.endswith(".md") else staged, address_of(page.staged))


def _relpath(target: str, start: str) -> str:
    path = os.path.relpath("/" + target, "/" + start)
    return f"{path}/" if not target or target.endswith("/") else path


def address_of(staged: str) -> str:
    """The address of a page in its site: `guides/csv.md` → `guides/csv/`."""
    address = re.sub(r"(^|/)(index|README)$", r"\1", staged.removesuffix(".md"))
    return address if not address or address.endswith("/") else f"{address}/"
