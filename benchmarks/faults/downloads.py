"""Downloads from a faulty server on this machine: `python -m benchmarks.faults.downloads [--count 500]`."""

import argparse
import hashlib
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

from palm.downloader.fetch import Patience, fetch
from palm.errors import DownloadError

CONTENT = Random(1).randbytes(1 << 20)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PATIENCE = Patience(attempts=6, pause=0.001, connect=2, read=0.15)


def serve(fault: str, handler: BaseHTTPRequestHandler, chance: Random) -> None:
    """Answer one request: the file, or the requested part, with a fault."""
    asked = handler.headers.get("Range")
    start = int(asked.split("=")[1].rstrip("-")) if asked else 0
    body = CONTENT[start:]
    if start >= len(CONTENT):
        return _head(handler, 416, 0)
    if fault in ("500", "502", "503", "429", "416"):
        return _head(handler, int(fault), 0)
    if fault.startswith("redirect to "):
        return _head(handler, 302, 0, Location=fault.removeprefix("redirect to "))
    if fault == "no http":
        handler.wfile.write(b"220 mail\r\n")
        return None
    if fault == "wrong bytes":
        place = chance.randrange(len(body))
        body = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
    if fault == "another part" and start:
        start -= min(start, 1000)
    length = len(body) + {"too long a length": 1000, "too short a length": -1000}.get(fault, 0)
    _head(handler, 206 if asked else 200, max(length, 0), start, ETag='"v1"')
    sent = body[: chance.randrange(len(body))] if fault in ("cut", "stall") else body
    handler.wfile.write(sent)
    if fault == "stall":
        time.sleep(0.4)
    handler.close_connection = True
    return None


def _head(handler: BaseHTTPRequestHandler, code: int, length: int, start: int = 0, **headers: str) -> None:
    handler.send_response(code)
    if code == 206:
        handler.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
    handler.send_header("Content-Length", str(length))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


PASSING = ("cut", "stall", "500", "502", "503", "429", "416", "too long a length", "no http", "another part")
LASTING = ("wrong bytes", "redirect to file:///etc/hostname", "redirect to ftp://127.0.0.1/x", "too short a length")


def main() -> int:
    """Print the outcomes of the downloads; 1 if wrong bytes were put in place or an error was not one of PALM's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance, began, bad = Random(options.seed), time.monotonic(), 0
    faults: list[str] = []
    ends: Counter[str] = Counter()
    with server(lambda handler: serve(faults.pop(0) if faults else "none", handler, chance)) as url:
        for number in range(options.count):
            passing = [chance.choice(PASSING) for _ in range(chance.randint(0, 4))]
            lasting = [chance.choice(LASTING)] if number % 4 == 0 else []
            faults[:] = passing + lasting
            end = download(url)
            right = end == "placed" or (end == "refused" and bool(lasting))
            bad += not right
            ends[f"{'lasting' if lasting else 'passing'} faults: {end}"] += 1
            if not right:
                print(f"{passing + lasting}: {end}")
    print(f"downloads: {options.count}, {dict(ends)}; unexpected outcomes: {bad}")
    print(f"{time.monotonic() - began:.0f} s")
    return int(bad > 0)


def download(url: str) -> str:
    """Fetch once; `placed` with the correct bytes, `refused` with nothing in place, or an unexpected outcome."""
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "file"
        try:
            fetch(url, target, SHA256, PATIENCE)
        except DownloadError:
            return "wrong bytes in place" if target.exists() else "refused"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "placed" if target.read_bytes() == CONTENT else "wrong bytes in place"


class server:  # noqa: N801 (reads as the function that it stands for)
    """Run a server on this machine during the block; yields its address."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

            def handle(self) -> None:
                with suppress(OSError):  # the client has left
                    super().handle()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/file"

    def __exit__(self, *problem: object) -> None:
        self._server.shutdown()
        self._server.server_close()


if __name__ == "__main__":
    sys.exit(main())
