"""Headless Chromium for the tests of pages; they skip with a reason where it or playwright is missing."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# Without these Chromium asks hosts of its maker for updates and settings.
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

_READY = "#tasks .task, #token-form:not([hidden]), .notice.error"

_SETTINGS = {"locale": "en-GB", "viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}


def chromium() -> str:
    """Path of Chromium: `$PALM_CHROMIUM`, or what is installed."""
    names = (os.environ.get("PALM_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs Chromium: install it, or set PALM_CHROMIUM")
    return found


@contextmanager
def launched() -> "Iterator[Browser]":
    """A browser of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: the extra `page-test`")
    path = chromium()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page that was opened, and what it should never have.

    Attributes:
        page: The page.
        complaints: Messages of the console and uncaught errors, violations of the policy included.
        foreign: Requests to another host.
    """

    page: "Page"
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


@contextmanager
def visit(
    browser: "Browser", address: str, *, is_refused: bool = False, ready: str = _READY, **settings: object
) -> "Iterator[Visit]":
    """Open an address with settings of a browser context; at the end nothing may have been complained about.

    With `is_refused` the server refuses requests, which Chromium itself notes in the console. `ready` is a selector of
    what is there once the page is.
    """
    context = browser.new_context(**{**_SETTINGS, **settings})
    context.set_default_timeout(10_000)
    found = Visit(context.new_page())
    host = urlsplit(address).netloc
    page = found.page
    page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (found.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda sent: None if _is_own(sent.url, host) else found.foreign.append(sent.url))
    page.goto(address)
    page.wait_for_selector(ready)
    yield found
    context.close()
    refusals = "Failed to load resource" if is_refused else "\n"
    assert [complaint for complaint in found.complaints if refusals not in complaint] == []
    assert found.foreign == []


def _is_own(url: str, host: str) -> bool:
    return urlsplit(url).netloc == host
