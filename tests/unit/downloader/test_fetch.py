"""Downloads over a real HTTP server on this machine that cuts, lies, redirects and recovers."""

import hashlib
import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest

from palm.downloader.fetch import Patience, fetch
from palm.errors import DownloadError
from tests.attacks import mutated

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
    with pytest.raises(DownloadError, match=r"failed after 1 attempts.*the next download resumes from it"):
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
    with pytest.raises(DownloadError, match="failed after 3 attempts"):
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
    with pytest.raises(DownloadError, match=f"redirects must lead to https.*Found `{scheme}://"):
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


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="failed after 2 attempts, the last one: no connection"):
        fetch("http://127.0.0.1:9/model", tmp_path / "file", None, Patience(attempts=2, pause=0.01))


@pytest.mark.parametrize("url", ["file:///etc/hostname", "no address", "http://"])
def test_only_web_addresses(tmp_path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="is not a valid address"):
        fetch(url, tmp_path / "file", None, HASTY)


def stall(after: int, seconds: float) -> Callable[[BaseHTTPRequestHandler], None]:
    """The first bytes of the file, and then silence."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        cut(after)(handler)
        handler.wfile.flush()
        time.sleep(seconds)

    return answer


def test_a_server_that_falls_silent_is_left_and_asked_for_the_rest(site: Site, tmp_path: Path) -> None:
    site.answers = [stall(300_000, seconds=1.5), whole()]
    began = time.monotonic()
    fetch(site.url, tmp_path / "file", SHA256, Patience(attempts=3, pause=0.01, read=0.3))
    assert time.monotonic() - began < 1.4
    assert (tmp_path / "file").read_bytes() == CONTENT
    offset = int((site.requests[-1][1] or "").removeprefix("bytes=").rstrip("-"))
    assert 0 < offset <= 300_000, "what came whole is kept"


def test_a_server_that_always_falls_silent_is_given_up(site: Site, tmp_path: Path) -> None:
    site.answers = [stall(100, seconds=0.6)]
    with pytest.raises(DownloadError, match=r"failed after 2 attempts, the last one: .*timed out"):
        fetch(site.url, tmp_path / "file", SHA256, Patience(attempts=2, pause=0.01, read=0.2))
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    "length", [str(len(CONTENT) - 1000), "0", "-1", "many", "9" * 30], ids=["short", "none", "negative", "text", "huge"]
)
def test_a_length_that_is_wrong_never_puts_wrong_bytes_in_place(site: Site, tmp_path: Path, length: str) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", length)
        handler.end_headers()
        handler.wfile.write(CONTENT)
        handler.close_connection = True

    site.answers = [answer]
    try:
        fetch(site.url, tmp_path / "file", SHA256, Patience(attempts=2, pause=0.01, read=2))
    except DownloadError:
        assert not (tmp_path / "file").exists()
    else:
        assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("range_", ["bytes 0-9/10", "bytes 299999-1048575/1048576", "nonsense", ""])
def test_another_part_than_asked_for_is_not_taken(site: Site, tmp_path: Path, range_: str) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", range_)
        handler.send_header("Content-Length", "10")
        handler.end_headers()
        handler.wfile.write(b"0123456789")

    site.answers = [cut(300_000), answer, whole()]
    fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_no_answer_in_http(site: Site, tmp_path: Path) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"220 this is a mail server\r\n")
        handler.close_connection = True

    site.answers = [answer, whole()]
    fetch(site.url, tmp_path / "file", SHA256, HASTY)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_proxy_of_the_environment_is_used(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.url.removesuffix("/model.tar.gz"))
    monkeypatch.setenv("no_proxy", "")
    site.answers = [whole()]
    fetch("http://models.invalid/model.tar.gz", tmp_path / "file", SHA256, HASTY)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert site.requests == [("http://models.invalid/model.tar.gz", None)]


@pytest.fixture
def secure_site(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server with a certificate, which redirects to `site`."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl(1) to make a certificate")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*make, *names], check=True, capture_output=True)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status(302, Location=site.url)(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    yield f"https://127.0.0.1:{server.server_port}/model.tar.gz"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_redirect_from_https_to_http_is_refused(secure_site: str, site: Site, tmp_path: Path) -> None:
    site.answers = [whole()]
    with pytest.raises(DownloadError, match=r"redirects must lead to https.*Found `http://127\.0\.0\.1:\d+/model"):
        fetch(secure_site, tmp_path / "file", None, HASTY)
    assert site.requests == []
    assert not (tmp_path / "file").exists()


def test_an_untrusted_certificate_is_refused(secure_site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(DownloadError, match="the server's certificate must be valid"):
        fetch(secure_site, tmp_path / "file", None, HASTY)


def raw(answer: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Bytes in the place of an answer; then the connection ends."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(answer)
        handler.close_connection = True

    return send


@pytest.mark.parametrize(
    "wait", ["²", "³³", "1e9", "-1", "nan", "inf", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT", ""]
)
def test_whatever_a_server_asks_to_wait_for(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    site.answers = [status(503, Retry_After=wait), whole()]
    assert fetch(site.url, tmp_path / "file", SHA256, HASTY) == SHA256
    assert len(slept) == 1
    assert slept[0] == (30 if wait == "9" * 5000 else HASTY.pause)


@pytest.mark.parametrize("length", ["²", "٣", "1²", "9" * 19, "9" * 5000, "0x10", "1, 2", "+5", "1_0"])
def test_a_length_that_is_no_number_or_absurd(site: Site, tmp_path: Path, length: str) -> None:
    site.answers = [raw(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + CONTENT)]
    try:
        fetch(site.url, tmp_path / "file", SHA256, HASTY)
    except DownloadError:
        assert not (tmp_path / "file").exists()
    else:
        assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "place",
    [
        "http://[::1", "http://[v1.x]/", "http://[", "http://a:99999/", "http://a:b/", "http://.example/", "//",
        "http:", "http://%zz/", "http://" + "a" * 70 + ".b/", "http://a@[::1", "\\\\host", "http://exa mple/",
        "http://\x7f/", "²",
    ],
)  # fmt: skip
def test_a_redirect_to_no_address(site: Site, tmp_path: Path, place: str) -> None:
    site.answers = [raw(f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())]
    with pytest.raises(DownloadError, match=r"^http://127\.0\.0\.1"):
        fetch(site.url, tmp_path / "file", None, HASTY)
    assert not (tmp_path / "file").exists()


def test_what_a_server_says_cannot_steer_the_terminal(site: Site, tmp_path: Path) -> None:
    site.answers = [raw(b"HTTP/1.1 404 \x1b[2JGone\r\nContent-Length: 0\r\n\r\n")]
    with pytest.raises(DownloadError, match=r"404 \?\[2JGone"):
        fetch(site.url, tmp_path / "file", None, HASTY)


def test_a_note_of_a_part_that_is_no_note(site: Site, tmp_path: Path) -> None:
    site.answers = [whole()]
    for note in ("[" * 50_000, "[]", "null", json.dumps({"url": site.url, "tag": 7}), "\xff"):
        (tmp_path / "file.part").write_bytes(b"of another file")
        (tmp_path / "file.part.json").write_text(note, encoding="latin-1")
        assert fetch(site.url, tmp_path / "file", SHA256, HASTY) == SHA256


def test_answers_damaged_at_random(site: Site, tmp_path: Path) -> None:
    """The right file or an error of PALM's, whatever a server sends."""
    content = CONTENT[:300]
    digest = hashlib.sha256(content).hexdigest()
    head = (
        b'HTTP/1.1 200 OK\r\nContent-Length: 300\r\nETag: "v1"\r\nLocation: /a\r\nRetry-After: 1\r\n'
        b"Content-Range: bytes 0-299/300\r\nTransfer-Encoding: identity\r\nLast-Modified: today\r\n\r\n"
    )
    codes = (b"200", b"206", b"301", b"302", b"404", b"416", b"503", b"100", b"999")
    came = 0
    for seed in range(300):
        chance = Random(seed)
        answer = head.replace(b"200", chance.choice(codes)) if seed % 2 else head
        site.answers = [raw(mutated(answer, chance) + content)]
        try:
            fetch(site.url, tmp_path / "file", digest, Patience(attempts=2, pause=0, connect=1, read=0.2))
        except DownloadError:
            continue
        came += 1
        assert (tmp_path / "file").read_bytes() == content
    assert came
