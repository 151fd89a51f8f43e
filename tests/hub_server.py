"""A server on this machine that answers as a Hugging Face hub does, with the mishaps of real ones."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT, LATER = "0123456789abcdef0123456789abcdef01234567", "89abcdef0123456789abcdef0123456789abcdef"
_LARGE = (".safetensors", ".bin", ".pdparams", "tokenizer.json")


def git_hash(content: bytes) -> str:
    """Git's name of a file's content."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest()


def _of_tree(entry: dict[str, object]) -> dict[str, object]:
    """An entry of `/api/models/…/tree/…`."""
    large = entry.get("lfs")
    told = {"type": "file", "path": entry["rfilename"], "size": entry["size"], "oid": entry["blobId"]}
    return {**told, "lfs": {**large, "oid": large["sha256"]}} if isinstance(large, dict) else told


@dataclass
class FakeHub:
    """A hub with the models that a test puts in.

    Attributes:
        models: Revisions of each model: their commit and files.
        asked: `METHOD path` of every request.
        tokens: The models that need a token, and what the hub answers without it.
        answers: Statuses that come first for paths that contain a text, until they are used up.
        breaks: Bytes after which the next answers for a file break off.
        claimed: sha256 that the hub lists for a file, in place of the right one.
        mirror: An address to which files are redirected.
        pause: Seconds before each part of a file.
    """

    models: dict[str, dict[str, tuple[str, dict[str, bytes]]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)
    answers: dict[str, list[int]] = field(default_factory=dict)
    breaks: dict[str, list[int]] = field(default_factory=dict)
    claimed: dict[str, str] = field(default_factory=dict)
    mirror: str = ""
    pause: float = 0.0
    address: str = ""

    def add(self, model: str, files: dict[str, bytes], commit: str = COMMIT, revision: str = "main") -> None:
        """Make `files` the content of a revision, and of its commit."""
        revisions = self.models.setdefault(model, {})
        revisions[revision] = revisions[commit] = (commit, files)

    def fetched(self, name: str) -> int:
        """How often a file of this name was sent."""
        return sum(entry.startswith("GET") and entry.endswith(f"/{name}") for entry in self.asked)


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(self.path.partition("?")[0])
        self.hub.asked.append(f"{self.command} {path}")
        for text, statuses in self.hub.answers.items():
            if text in path and statuses:
                self._fail(statuses.pop(0), {"Retry-After": "0"})
                return
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._listing("/".join(parts[2:4]), "/".join(parts[5:]), tree=parts[4:5] == ["tree"])
        elif len(parts) > 4 and parts[2] == "resolve":
            self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]), body=body)
        else:
            self._fail(404)

    def _denied(self, model: str) -> bool:
        status = self.hub.tokens.get(model)
        if status is None or self.headers.get("Authorization") == "Bearer hf_right":
            return False
        self._fail(status, {"X-Error-Code": "GatedRepo"} if status == 403 else {"X-Error-Code": "RepoNotFound"})
        return True

    def _found(self, model: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if self._denied(model):
            return None
        revisions = self.hub.models.get(model)
        if revisions is None or revision not in revisions:
            self._fail(404, {"X-Error-Code": "RepoNotFound" if revisions is None else "RevisionNotFound"})
            return None
        return revisions[revision]

    def _listing(self, model: str, revision: str, *, tree: bool) -> None:
        found = self._found(model, revision)
        if found is None:
            return
        commit, files = found
        siblings = []
        for name, content in files.items():
            entry: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git_hash(content)}
            if name.endswith(_LARGE):
                digest = self.hub.claimed.get(name) or hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        if tree:
            files_of = [_of_tree(entry) for entry in siblings]
            self._send(json.dumps(files_of).encode(), {"Content-Type": "application/json"})
            return
        answer = {"id": model, "modelId": model, "sha": commit, "siblings": siblings, "tags": ["license:mit"]}
        self._send(json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _file(self, model: str, revision: str, name: str, *, body: bool) -> None:
        found = self._found(model, revision)
        if found is None:
            return
        commit, files = found
        if name not in files:
            self._fail(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            return
        content = files[name]
        large = name.endswith(_LARGE)
        tag = hashlib.sha256(content).hexdigest() if large else git_hash(content)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
        if large:
            headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(len(content))}
        if self.hub.mirror and large:
            self._redirect(f"{self.hub.mirror}{self.path}", headers)
            return
        self._send(content, headers, body=body, breaks=self.hub.breaks.get(name))

    def _redirect(self, place: str, headers: dict[str, str]) -> None:
        self.send_response(302)
        for name, value in {**headers, "Location": place, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(
        self, content: bytes, headers: dict[str, str], *, body: bool = True, breaks: list[int] | None = None
    ) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0] or 0)
        self.send_response(206 if start else 200)
        if start:
            headers = {**headers, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        for name, value in {**headers, "Content-Length": str(len(content) - start)}.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        rest = content[start:]
        if breaks:
            self.wfile.write(rest[: breaks.pop(0)])
            self.close_connection = True
            return
        if self.hub.pause:
            for place in range(0, len(rest), 1 << 16):
                self.wfile.write(rest[place : place + (1 << 16)])
                time.sleep(self.hub.pause)
            return
        self.wfile.write(rest)

    def _fail(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve `hub` on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()
