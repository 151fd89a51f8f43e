"""Models of a Hugging Face hub and data sets at their homes, from a server on this machine that answers as these do."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
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
from tests.attacks import altered

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
    revisions: dict[str, tuple[str, dict[str, bytes]]] = field(default_factory=dict)
    answer: bytes | None = None
    address: str = ""

    def about(self, commit: str = REVISION, files: dict[str, bytes] | None = None) -> bytes:
        siblings = []
        for name, content in (self.files if files is None else files).items():
            entry: dict[str, object] = {"rfilename": name, "size": len(content)}
            if name.endswith((".safetensors", ".bin")):
                digest = self.claimed.get(name) or hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": digest, "size": len(content)}
            siblings.append(entry)
        return json.dumps({"sha": commit, "siblings": siblings, "tags": ["bert", "license:apache-2.0"]}).encode()

    def content_of(self, path: str) -> bytes | None:
        if path.startswith("/api/models/owner/tiny/revision/"):
            revision = path.rpartition("/")[2]
            return self.answer or self.about(*self.revisions.get(revision, (REVISION, self.files)))
        for commit, files in self.revisions.values():
            if path.startswith(f"/owner/tiny/resolve/{commit}/"):
                return files.get(path.removeprefix(f"/owner/tiny/resolve/{commit}/"))
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
    [("model.safetensors", "Found no model.safetensors"), ("vocab.txt", "Found no tokenizer.json or vocab.txt")],
)
def test_a_model_that_palm_cannot_read_is_refused_before_anything_is_downloaded(
    hub: Hub, tmp_path: Path, lost: str, message: str
) -> None:
    for name in (lost, *(["pytorch_model.bin"] if lost == "model.safetensors" else [])):
        del hub.files[name]
    with pytest.raises(DownloadError, match=message):
        fetch_model("owner/tiny", tmp_path)
    assert len(hub.asked) == 1


def test_a_pickle_of_pytorch_comes_where_there_is_nothing_else(hub: Hub) -> None:
    del hub.files["model.safetensors"]
    assert "pytorch_model.bin" in [file.name for file in ask_hub("owner/tiny").files]


HOSTILE_ANSWERS = [
    b"<html>", b"[]", b'{"siblings": 3}', b'{"sha": "x", "siblings": [{}]}', b"[" * 100_000, b'{"a":' * 50_000, b"\xff",
    b'{"sha": ' + b"9" * 5000 + b"}", b'{"sha": "\\ud800", "siblings": []}', b'{"sha": "../..", "siblings": []}',
    b'{"sha": null, "siblings": []}', b'{"sha": ["x"], "siblings": []}',
    b'{"sha": "' + b"x" * 5000 + b'", "siblings": []}',
    b'{"sha": "x", "siblings": [null]}', b'{"sha": "x", "siblings": {"rfilename": "vocab.txt"}}',
]  # fmt: skip


@pytest.mark.parametrize("answer", HOSTILE_ANSWERS, ids=range(len(HOSTILE_ANSWERS)))
def test_whatever_answers_in_place_of_a_hub_is_named(hub: Hub, tmp_path: Path, answer: bytes) -> None:
    hub.answer = answer
    with pytest.raises(DownloadError, match="HF_ENDPOINT"):
        fetch_model("owner/tiny", tmp_path)


def _two_revisions(hub: Hub) -> None:
    for number, name in enumerate(("r1", "r2"), 1):
        files = {**FILES, "vocab.txt": f"[PAD]\n{name}\n".encode(), "model.safetensors": WEIGHTS + name.encode()}
        if name == "r1":
            files["LICENSE"] = b"of r1 alone"
        hub.revisions[name] = (str(number) * 40, files)
    hub.revisions["main"] = hub.revisions["r1"]


def _assert_is(hub: Hub, folder: Path, name: str) -> None:
    commit, files = hub.revisions[name]
    source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    assert source["revision"] == commit
    assert set(source["files"]) == set(files) - {"pytorch_model.bin"}
    for file in source["files"]:
        assert (folder / file).read_bytes() == files[file]
    assert {path.name for path in folder.iterdir()} == {*source["files"], "source.json"}


def test_another_revision_takes_the_place_of_a_whole_one(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _two_revisions(hub)
    assert fetch_model("owner/tiny@r1", tmp_path).fresh
    _assert_is(hub, tmp_path / "owner/tiny", "r1")
    assert fetch_model("owner/tiny@r2", tmp_path).fresh
    _assert_is(hub, tmp_path / "owner/tiny", "r2")
    _assert_is(hub, tmp_path / "owner/tiny.replaced", "r1")
    assert "was another revision; the old content is now" in caplog.text

    asked = len(hub.asked)
    assert not fetch_model("owner/tiny@r2", tmp_path).fresh
    assert not fetch_model(f"owner/tiny@{'2' * 40}", tmp_path).fresh
    assert len(hub.asked) == asked, "what is known is not asked for"
    assert fetch_model("owner/tiny", tmp_path).fresh, "main is r1"
    _assert_is(hub, tmp_path / "owner/tiny", "r1")
    assert not fetch_model("owner/tiny@r1", tmp_path).fresh, "the same commit by another name"


@pytest.mark.parametrize("names", [("owner/tiny@r1", "owner/tiny@r2"), ("owner/tiny", "owner/tiny")])
@pytest.mark.parametrize("lost", ["config.json", "vocab.txt", "model.safetensors", "README.md"])
def test_files_of_two_revisions_never_mix(hub: Hub, tmp_path: Path, names: tuple[str, str], lost: str) -> None:
    _two_revisions(hub)
    first, second = names
    kept = hub.revisions["r1"][1]
    about = hub.about("1" * 40, dict(kept))
    del kept[lost]
    hub.answer = about
    with pytest.raises(DownloadError, match="404"):
        fetch_model(first, tmp_path)

    hub.answer = None
    hub.revisions["main"] = hub.revisions["r2"]
    assert fetch_model(second, tmp_path).fresh
    _assert_is(hub, tmp_path / "owner/tiny", "r2")
    assert not list((tmp_path / "owner").glob(".tiny.parts*"))


def test_what_came_before_is_compared_with_its_sum(hub: Hub, tmp_path: Path) -> None:
    weights = hub.files.pop("README.md")
    hub.answer = hub.about(files={**hub.files, "README.md": weights})
    with pytest.raises(DownloadError, match="404"):
        fetch_model("owner/tiny", tmp_path)
    for name in ("model.safetensors", "vocab.txt"):
        (came,) = (tmp_path / "owner").rglob(f"*/{name}")
        came.write_bytes(b"damaged meanwhile")
    hub.files["README.md"] = weights
    fetch_model("owner/tiny", tmp_path)
    assert (tmp_path / "owner/tiny/model.safetensors").read_bytes() == WEIGHTS
    assert (tmp_path / "owner/tiny/vocab.txt").read_bytes() == FILES["vocab.txt"]


def test_a_file_of_another_length_than_the_hub_says_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.answer = hub.about(files={**hub.files, "vocab.txt": b"[PAD]"})
    with pytest.raises(DownloadError, match=r"vocab\.txt: the file must have 5 bytes\. Found 16: damaged or replaced"):
        fetch_model("owner/tiny", tmp_path)


def test_a_licence_that_is_no_name_is_not_written_down(hub: Hub, tmp_path: Path) -> None:
    hub.answer = hub.about().replace(b"license:apache-2.0", b"license:\\ud800\\u001b[2J")
    fetch_model("owner/tiny", tmp_path)
    assert json.loads((tmp_path / "owner/tiny/source.json").read_text(encoding="utf-8"))["licence"] == "not stated"


def test_a_hub_whose_answer_is_altered_anywhere(hub: Hub, tmp_path: Path) -> None:
    """Everything else than an error of PALM's would be a traceback."""
    about = json.loads(hub.about())
    for number, (_, changed) in enumerate(altered(about)):
        hub.answer = json.dumps(changed).encode()
        with suppress(DownloadError):
            fetch_model("owner/tiny", tmp_path / str(number % 7))


def test_a_note_that_is_no_note(hub: Hub, tmp_path: Path) -> None:
    fetch_model("owner/tiny", tmp_path)
    for note in ("[" * 50_000, "[]", '{"files": {"vocab.txt": 3}}', '{"files": {"' + "x" * 5000 + '": {}}}'):
        (tmp_path / "owner/tiny/source.json").write_text(note, encoding="utf-8")
        assert fetch_model("owner/tiny", tmp_path).fresh


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
