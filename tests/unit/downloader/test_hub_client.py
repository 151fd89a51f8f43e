"""What a hub answers through huggingface_hub: listings, hostile ones among them."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from palm.downloader import hub_client
from palm.downloader.hub_client import FileSum, UnreachableError, list_model
from palm.errors import DownloadError
from tests.attacks import altered
from tests.hub_server import COMMIT, FakeHub, git_hash, serving


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    hub_client._list_model.cache_clear()
    with serving(FakeHub()) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address + "/")
        yield running


class Answers:
    """A server that answers everything with `content`."""

    def __init__(self) -> None:
        self.content = b""


@pytest.fixture
def anything(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answers.content)))
            self.end_headers()
            self.wfile.write(answers.content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_listing_has_the_sums_of_all_files(hub: FakeHub) -> None:
    hub.add("owner/tiny", {"config.json": b"{}", "model.safetensors": b"weights"})
    listing = list_model("owner/tiny", "main")
    assert (listing.commit, listing.licence) == (COMMIT, "mit")
    assert listing.files["config.json"] == FileSum(2, None, git_hash(b"{}"))
    assert listing.files["model.safetensors"] == FileSum(7, hashlib.sha256(b"weights").hexdigest(), None)


def test_the_hub_is_asked_once_per_process(hub: FakeHub) -> None:
    hub.add("owner/tiny", {})
    assert list_model("owner/tiny", "main") is list_model("owner/tiny", "main")
    assert len(hub.asked) == 1


def test_a_revision_that_is_not_there_is_named(hub: FakeHub) -> None:
    hub.add("owner/tiny", {})
    with pytest.raises(DownloadError, match="has no revision `v9`"):
        list_model("owner/tiny", "v9")


def test_no_connection_is_told_from_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="cannot be reached"):
        list_model("owner/unreachable", "main")


HOSTILE = [
    b"<html>", b"[]", b"3", b'{"siblings": 3}', b'{"sha": "x", "siblings": [{}]}', b"[" * 100_000, b'{"a":' * 50_000,
    b"\xff", b'{"sha": ' + b"9" * 5000 + b"}", b'{"id": "x", "sha": "../..", "siblings": []}',
    b'{"id": "x", "sha": null, "siblings": []}', b'{"id": "x", "sha": ["x"], "siblings": []}',
    b'{"id": "x", "sha": "\\ud800", "siblings": []}', b'{"id": "x", "sha": "x", "siblings": [null]}',
]  # fmt: skip


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_answers_in_place_of_a_hub_is_named(anything: Answers, answer: bytes) -> None:
    anything.content = answer
    hub_client._list_model.cache_clear()
    with pytest.raises(DownloadError, match=r"a Hugging Face hub must answer here\. .*HF_ENDPOINT"):
        list_model("owner/tiny", "main")


def test_a_listing_that_is_altered_anywhere(anything: Answers) -> None:
    """Everything else than an error of PALM's would be a traceback."""
    entry = {"rfilename": "model.safetensors", "size": 3, "blobId": "0" * 40, "lfs": {"sha256": "0" * 64, "size": 3}}
    about = {"id": "owner/tiny", "sha": COMMIT, "siblings": [entry], "tags": ["license:mit"]}
    for _, changed in altered(about):
        hub_client._list_model.cache_clear()
        anything.content = json.dumps(changed).encode()
        with suppress(DownloadError):
            list_model("owner/tiny", "main")
