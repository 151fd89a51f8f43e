"""Downloads over a real HTTP server on this machine that cuts, lies, redirects and recovers."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from palm.downloader.fetch import Patience, fetch
from palm.errors import DownloadError

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HASTY = Patience(attempts=3, pause=0.01, connect=2, read=2)


@dataclass
class Site:
    """A server whose answers are given one after the other; the last one repeats."""

    answers: list[Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.requests.append((self.path, self.headers.get("Range")))
            (site.answers.pop(0) if len(site.answers) > 1 else site.answers[0])(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}/model.tar.gz"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def whole(content: bytes = CONTENT, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """The file, or the part asked for unless `If-Range` names another tag, as HTTP wants it."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        start = (
            int(asked.split("=")[1].rstrip("-")) if asked and handler.headers.get("If-Range", '"v1"') == '"v1"' else 0
        )
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(content) - start))
        handler.send_header("ETag", '"v1"')
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content[start:])

    return answer


def cut(after: int, tag: str = '"v1"', content: bytes = CONTENT) -> Callable[[BaseHTTPRequestHandler], None]:
    """The first bytes of the file under its full length; then the connection ends."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        if tag:
            handler.send_header("ETag", tag)
        handler.end_headers()
        handler.wfile.write(content[:after])
        handler.close_connection = True

    return answer


def status(code: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return answer


def test_downloads_and_leaves_nothing_beside(site: Site, tmp_path: Path) -> None:
    site.answers = [whole()]
    assert fetch(site.url, tmp_path / "模型.tar.gz", SHA256, HASTY) == SHA256
    assert (tmp_path / "模型.tar.gz").read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["模型.tar.gz"]


def test_goes_on_where_the_connection_was_cut(site: Site, tmp_path: Path) -> None:
    site.answers = [cut(300_000), whole()]
    fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert site.requests == [("/model.tar.gz", None), ("/model.tar.gz", "bytes=300000-")]


def test_goes_on_in_another_run(site: Site, tmp_path: Path) -> None:
    site.answers = [cut(300_000)]
    with pytest.raises(DownloadError, match=r"given up after 1 attempts.*the next download goes on from there"):
        fetch(site.url, tmp_path / "file", SHA256, Patience(attempts=1))
    assert not (tmp_path / "file").exists()
    site.answers = [whole()]
    fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert site.requests[-1] == ("/model.tar.gz", "bytes=300000-")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_starts_anew_when_the_file_changed_meanwhile(site: Site, tmp_path: Path) -> None:
    site.answers = [cut(300_000, tag='"v0"', content=CONTENT[::-1]), whole()]
    fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_part_that_cannot_be_told_apart_is_not_continued(site: Site, tmp_path: Path) -> None:
    site.answers = [cut(300_000, tag=""), whole()]
    fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert site.requests[-1] == ("/model.tar.gz", None)


def test_a_part_of_another_address_is_not_continued(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"of another file")
    (tmp_path / "file.part.json").write_text('{"url": "http://elsewhere/", "tag": "\\"v1\\""}', encoding="utf-8")
    site.answers = [whole()]
    fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_starts_anew_after_a_refused_range(site: Site, tmp_path: Path) -> None:
    site.answers = [cut(300_000), status(416), whole()]
    fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert [asked for _, asked in site.requests] == [None, "bytes=300000-", None]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_gives_up_on_a_length_that_never_comes(site: Site, tmp_path: Path) -> None:
    site.answers = [cut(300_000, tag="")]
    with pytest.raises(DownloadError, match="given up after 3 attempts"):
        fetch(site.url, tmp_path / "file", None, HASTY)
    assert not (tmp_path / "file").exists()
    assert len(site.requests) == 3


def test_wrong_bytes_are_thrown_away(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(CONTENT[:-1] + b"!")]
    with pytest.raises(DownloadError, match=f"must have sha256 {SHA256}. Found [0-9a-f]{{64}}: damaged or replaced"):
        fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert list(tmp_path.iterdir()) == []


def test_an_overloaded_server_is_asked_again(site: Site, tmp_path: Path) -> None:
    site.answers = [status(503, Retry_After="0"), status(500), whole()]
    fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_missing_file_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    site.answers = [status(404)]
    with pytest.raises(DownloadError, match="the server answered 404 Not Found"):
        fetch(site.url, tmp_path / "file", None, HASTY)
    assert len(site.requests) == 1


def test_follows_a_redirect(site: Site, tmp_path: Path) -> None:
    site.answers = [status(302, Location="/moved"), whole()]
    fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert [path for path, _ in site.requests] == ["/model.tar.gz", "/moved"]


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher"])
def test_redirects_lead_to_the_web_alone(site: Site, tmp_path: Path, scheme: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine", encoding="utf-8")
    site.answers = [status(302, Location=f"{scheme}://{secret}")]
    with pytest.raises(DownloadError, match=f"redirects lead to https.*Found `{scheme}://"):
        fetch(site.url, tmp_path / "file", None, HASTY)
    assert not (tmp_path / "file").exists()


def test_circles_of_redirects_end(site: Site, tmp_path: Path) -> None:
    site.answers = [status(302, Location="/model.tar.gz")]
    with pytest.raises(DownloadError, match="at most 5 redirects are followed"):
        fetch(site.url, tmp_path / "file", None, HASTY)


def test_asks_for_the_file_as_it_is(site: Site, tmp_path: Path) -> None:
    asked = []
    site.answers = [lambda handler: (asked.append(handler.headers["Accept-Encoding"]), whole()(handler))[1]]
    fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert asked == ["identity"]


def test_an_archive_labelled_as_encoded_stays_the_archive(site: Site, tmp_path: Path) -> None:
    site.answers = [whole(Content_Encoding="gzip")]
    assert fetch(site.url, tmp_path / "file", SHA256, HASTY) == SHA256


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="given up after 2 attempts, the last one: no connection"):
        fetch("http://127.0.0.1:9/model", tmp_path / "file", None, Patience(attempts=2, pause=0.01))


@pytest.mark.parametrize("url", ["file:///etc/hostname", "no address", "http://"])
def test_only_web_addresses(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="is no address to download from"):
        fetch(url, tmp_path / "file", None, HASTY)
