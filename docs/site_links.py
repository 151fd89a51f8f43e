"""Looks at the built pages: links and anchors lead somewhere, and nothing is loaded from another host."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

# What a browser fetches by itself when it opens a page.
LOADED = {("script", "src"), ("img", "src"), ("source", "srcset"), ("iframe", "src")}
LOADED_BY_LINK = {"stylesheet", "icon", "preload", "preconnect", "prefetch"}
HOST = "https://site.invalid/"


class _Links(HTMLParser):
    """The links, the anchors and the loaded resources of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        self.loaded |= {value for name, value in found.items() if (tag, name) in LOADED}
        if tag == "link" and set(found.get("rel", "").split()) & LOADED_BY_LINK:
            self.loaded.add(found["href"])


def check_site(site: Path) -> list[str]:
    """Check every page of a built site.

    Returns:
        The links to other hosts, sorted.

    Raises:
        ValueError: Something leads nowhere, or is loaded from another host; each is named with its page.
    """
    pages = {_address(file, site): _Links(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    problems: list[str] = []
    external: set[str] = set()
    for address, page in pages.items():
        for link in sorted(page.links | page.loaded):
            target = urljoin(HOST + address, link)
            if target.startswith(HOST):
                problems += [] if _exists(target, site, pages) else [f"{address}: {link} leads nowhere"]
            elif link in page.loaded and not link.startswith("data:"):
                problems.append(f"{address}: {link} is loaded from another host")
            elif target.startswith("http"):
                external.add(target)
    if problems:
        raise ValueError("\n".join(problems))
    return sorted(external)


def _address(file: Path, site: Path) -> str:
    return file.relative_to(site).as_posix().removesuffix("index.html")


def _exists(target: str, site: Path, pages: dict[str, _Links]) -> bool:
    parts = urlsplit(target)
    path = unquote(parts.path).lstrip("/")
    anchor = unquote(parts.fragment)
    if path in pages:
        return not anchor or anchor == "__search" or anchor in pages[path].anchors
    return (site / path).is_file()
