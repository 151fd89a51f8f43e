"""Models of a Hugging Face hub and data sets at their homes, from a server on this machine that answers as these do."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import palm.downloader
from palm.cli.main import main
from palm.downloader import datasets as datasets_module
from palm.downloader.datasets import PublicDataset, datasets
from palm.downloader.hub import ask_hub, hub_id
from palm.downloader.pretrain import fetch_dataset, fetch_model
from palm.downloader.remote import RemoteFile
from palm.errors import DownloadError

REVISION = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = bytes(range(256)) * 200
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "vocab.txt": "[PAD]\n[UNK]\n你\n".encode(),
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"a pickle",
    "README.md": b"# a model",
}


@dataclass
class Hub:
    """A hub with one model, `owner/tiny`."""

    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))
    asked: list[str] = field(default_factory=list)
    claimed: dict[str, str] = field(default_factory=dict)
    answer: bytes | None = None
    address: str = ""

    def about(self) -> bytes:
        siblings = []
        for name, content in self.files.items():
            entry: dict[str, object] = {"rfilename": name, "size": len(content)}
            if name.endswith((".safetensors", ".bin")):
                digest = self.claimed.get(name) or hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(content)}
            siblings.append(entry)
        return json.dumps({"sha": REVISION, "siblings": siblings, "tags": ["bert", "license:apache-2.0"]}).encode()

    def content_of(self, path: str) -> bytes | None:
        if path.startswith("/api/models/owner/tiny/revision/"):
            return self.answer or self.about()
        return self.files.get(path.removeprefix(f"/owner/tiny/resolve/{REVISION}/"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    made = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            content = made.content_of(self.path.partition("?")[0])
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made.address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", made.address + "/")
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("google-bert/bert-base-uncased", "google-bert/bert-base-uncased"),
        ("owner/model@v1.0", "owner/model"),
        ("minilm-l6-en", None),
        ("../model", None),
        ("a/b/c", None),
        ("/etc/passwd", None),
    ],
)
def test_what_is_an_id(name: str, wanted: str | None) -> None:
    assert hub_id(name) == wanted


def test_a_model_comes_from_the_hub_that_the_environment_names(hub: Hub, tmp_path: Path) -> None:
    palm.downloader.download("pretrain", "owner/tiny", tmp_path)
    folder = tmp_path / "pretrain" / "owner" / "tiny"

    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "vocab.txt", "model.safetensors", "README.md", "source.json"}
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    assert {key: source[key] for key in ("name", "licence", "from", "revision")} == {
        "name": "owner/tiny", "licence": "apache-2.0", "from": f"{hub.address}/owner/tiny", "revision": REVISION,
    }  # fmt: skip
    assert source["files"]["model.safetensors"]["sha256"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert not list(folder.parent.glob(".tiny.parts"))


def test_what_is_there_is_not_asked_for_again(hub: Hub, tmp_path: Path) -> None:
    assert fetch_model("owner/tiny", tmp_path).fresh
    before = len(hub.asked)
    assert not fetch_model("owner/tiny", tmp_path).fresh
    assert len(hub.asked) == before


def test_a_revision_is_asked_for_by_name(hub: Hub, tmp_path: Path) -> None:
    fetch_model("owner/tiny@v1/fp16", tmp_path)
    assert hub.asked[0] == "/api/models/owner/tiny/revision/v1%2Ffp16?blobs=true"
    assert (tmp_path / "owner" / "tiny" / "config.json").is_file()


def test_weights_that_the_hub_vouches_otherwise_for_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.claimed["model.safetensors"] = "0" * 64
    with pytest.raises(DownloadError, match="sha256"):
        fetch_model("owner/tiny", tmp_path)
    assert not (tmp_path / "owner" / "tiny").exists()


def test_what_came_before_a_failure_is_not_downloaded_again(hub: Hub, tmp_path: Path) -> None:
    weights = hub.files.pop("model.safetensors")
    about = hub.about
    hub.answer = json.dumps(
        {**json.loads(about()), "siblings": [*json.loads(about())["siblings"], {"rfilename": "model.safetensors"}]}
    ).encode()
    with pytest.raises(DownloadError, match="404"):
        fetch_model("owner/tiny", tmp_path)

    hub.files["model.safetensors"] = weights
    hub.asked.clear()
    fetch_model("owner/tiny", tmp_path)
    assert not [path for path in hub.asked if path.endswith("vocab.txt")]
    assert (tmp_path / "owner" / "tiny" / "vocab.txt").read_bytes() == FILES["vocab.txt"]


def test_shards_come_with_their_index(hub: Hub) -> None:
    del hub.files["model.safetensors"]
    hub.files |= {
        "model.safetensors.index.json": b"{}",
        "model-00001-of-00002.safetensors": b"1",
        "model-00002-of-00002.safetensors": b"2",
        "onnx/model.onnx": b"3",
    }
    names = [file.name for file in ask_hub("owner/tiny").files]
    assert names[2:5] == [
        "model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
    ]  # fmt: skip
    assert "onnx/model.onnx" not in names


@pytest.mark.parametrize(
    ("lost", "message"),
    [("model.safetensors", "Found no model.safetensors"), ("vocab.txt", "Found no vocab.txt")],
)
def test_a_model_that_palm_cannot_read_is_refused_before_anything_is_downloaded(
    hub: Hub, tmp_path: Path, lost: str, message: str
) -> None:
    del hub.files[lost]
    with pytest.raises(DownloadError, match=message):
        fetch_model("owner/tiny", tmp_path)
    assert len(hub.asked) == 1


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"siblings": 3}', b'{"sha": "x", "siblings": [{}]}'])
def test_whatever_answers_in_place_of_a_hub_is_named(hub: Hub, tmp_path: Path, answer: bytes) -> None:
    hub.answer = answer
    with pytest.raises(DownloadError, match="HF_ENDPOINT"):
        fetch_model("owner/tiny", tmp_path)


def test_the_command_takes_ids(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "owner/tiny", "--to", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"owner/tiny: downloaded: {(tmp_path / 'owner' / 'tiny').as_posix()}\n"
    assert main(["download", "owner/absent", "--to", str(tmp_path)]) == 2
    assert "404" in capsys.readouterr().err


def test_a_data_set_comes_with_its_folders(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "查 天气\n".encode()
    hub.files["train/seq.in"] = content
    url = f"{hub.address}/owner/tiny/resolve/{REVISION}/train/seq.in"
    digest = hashlib.sha256(content).hexdigest()
    made = PublicDataset("tiny", "two words", "CC0-1.0", "o/r", (RemoteFile("train/seq.in", url, 10, digest),))
    monkeypatch.setattr(datasets_module, "datasets", lambda: (made,))
    palm.downloader.download("data", "tiny", tmp_path)

    folder = tmp_path / "datasets" / "tiny"
    assert (folder / "train" / "seq.in").read_bytes() == content
    assert json.loads((folder / "source.json").read_text(encoding="utf-8"))["from"] == "https://github.com/o/r"
    assert not fetch_dataset("tiny", tmp_path / "datasets").fresh


def test_data_sets_are_listed_with_licence_size_and_home(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "--data"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "0.8 MB  CC-BY-4.0  https://github.com/leondz/emerging_entities_17" in lines["wnut17"]
    palm.downloader.ls("data")
    assert capsys.readouterr().out.splitlines()[:2] == ["Available data items:", "  => atis"]


def test_a_misspelt_data_set_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "--data", "wnut71"]) == 2
    assert "unknown data set `wnut71`. Did you mean `wnut17`?" in capsys.readouterr().err


FOLDERS = {"sst2": "sst2_full", "rte": "glue_rte"}


def test_the_sums_are_those_of_the_public_files(shared: Path) -> None:
    for dataset in datasets():
        for file in dataset.files:
            content = (shared / "data" / FOLDERS.get(dataset.name, dataset.name) / file.name).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256), file.url
