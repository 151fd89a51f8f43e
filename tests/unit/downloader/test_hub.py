"""Models of a Hugging Face hub and data sets at their homes, from a server on this machine that answers as these do."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

import palm.downloader
from palm.cli.main import main
from palm.downloader import datasets as datasets_module
from palm.downloader import hub_client
from palm.downloader.datasets import PublicDataset, datasets
from palm.downloader.hub import ask_hub, hub_id
from palm.downloader.pretrain import fetch_dataset, fetch_model
from palm.downloader.remote import RemoteFile, fetch_files
from palm.errors import DownloadError
from tests.hub_server import COMMIT, LATER, FakeHub, serving

WEIGHTS = bytes(range(256)) * 200
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "vocab.txt": "[PAD]\n[UNK]\n你\n".encode(),
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"a pickle",
    "README.md": b"# a model",
}


def _forget() -> None:
    """Let the next call ask the hub, as another process would."""
    hub_client._list_model.cache_clear()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with one model, `owner/tiny`, and an empty cache in `tmp_path/hf`."""
    _forget()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    with serving(FakeHub()) as running:
        running.add("owner/tiny", dict(FILES))
        monkeypatch.setenv("HF_ENDPOINT", running.address + "/")
        yield running


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


def test_a_model_comes_from_the_hub_that_the_environment_names(hub: FakeHub, tmp_path: Path) -> None:
    palm.downloader.download("pretrain", "owner/tiny", tmp_path)
    folder = tmp_path / "pretrain" / "owner" / "tiny"

    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "vocab.txt", "model.safetensors", "README.md", "source.json"}
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert not any(path.is_symlink() for path in folder.iterdir()), "the folder is whole without the cache"
    source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    assert {key: source[key] for key in ("name", "licence", "from", "revision", "asked_revision")} == {
        "name": "owner/tiny", "licence": "mit", "from": f"{hub.address}/owner/tiny", "revision": COMMIT,
        "asked_revision": None,
    }  # fmt: skip
    assert source["files"]["model.safetensors"]["sha256"] == hashlib.sha256(WEIGHTS).hexdigest()


def test_what_is_there_is_not_asked_for_again(hub: FakeHub, tmp_path: Path) -> None:
    assert fetch_model("owner/tiny", tmp_path).fresh
    before = len(hub.asked)
    _forget()
    assert not fetch_model("owner/tiny", tmp_path).fresh
    assert len(hub.asked) == before


def test_files_in_the_shared_cache_are_not_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    """Those of `encoder:`, of transformers, or of another folder."""
    huggingface_hub.hf_hub_download("owner/tiny", "model.safetensors", endpoint=hub.address)
    fetch_model("owner/tiny", tmp_path / "a")
    fetch_model("owner/tiny", tmp_path / "b")
    assert hub.fetched("model.safetensors") == hub.fetched("vocab.txt") == 1
    assert (tmp_path / "b/owner/tiny/model.safetensors").read_bytes() == WEIGHTS


def test_without_a_connection_the_cache_serves(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fetch_model("owner/tiny", tmp_path / "a")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    _forget()
    asked = len(hub.asked)
    assert fetch_model("owner/tiny", tmp_path / "b").fresh
    assert len(hub.asked) == asked
    assert f"owner/tiny: HF_HUB_OFFLINE is set; commit {COMMIT[:12]} of the cache is used." in caplog.text
    assert (tmp_path / "b/owner/tiny/model.safetensors").read_bytes() == WEIGHTS
    with pytest.raises(DownloadError, match="`owner/other` is not in the cache, and HF_HUB_OFFLINE is set"):
        fetch_model("owner/other", tmp_path)


def test_a_cache_without_the_weights_does_not_serve(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("config.json", "vocab.txt"):
        huggingface_hub.hf_hub_download("owner/tiny", name, endpoint=hub.address)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="is not in the cache"):
        fetch_model("owner/tiny", tmp_path)


@pytest.mark.parametrize(
    ("status", "token", "message"),
    [(401, "", "for a private one, set HF_TOKEN"), (403, "hf_wrong", "owner grants access"), (401, "hf_right", "")],
)
def test_access_is_a_matter_of_tokens(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, token: str, message: str
) -> None:
    hub.tokens["owner/tiny"] = status
    monkeypatch.setenv("HF_TOKEN", token)
    if message:
        with pytest.raises(DownloadError, match=message):
            fetch_model("owner/tiny", tmp_path)
    else:
        assert fetch_model("owner/tiny", tmp_path).fresh


def test_a_revision_is_asked_for_by_name(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("owner/tiny", dict(FILES), LATER, "v1/fp16")
    fetch_model("owner/tiny@v1/fp16", tmp_path)
    assert json.loads((tmp_path / "owner/tiny/source.json").read_text(encoding="utf-8"))["revision"] == LATER
    with pytest.raises(DownloadError, match="has no revision `v9`"):
        fetch_model("owner/tiny@v9", tmp_path)


def test_weights_that_the_hub_vouches_otherwise_for_are_refused(hub: FakeHub, tmp_path: Path) -> None:
    hub.claimed["model.safetensors"] = "0" * 64
    with pytest.raises(DownloadError, match="sha256"):
        fetch_model("owner/tiny", tmp_path)
    assert not (tmp_path / "owner" / "tiny").exists()


def test_what_came_before_a_failure_is_not_downloaded_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.answers["README.md"] = [404]
    with pytest.raises(DownloadError, match="404"):
        fetch_model("owner/tiny", tmp_path)
    assert not (tmp_path / "owner" / "tiny").exists()
    assert fetch_model("owner/tiny", tmp_path).fresh
    assert hub.fetched("vocab.txt") == hub.fetched("model.safetensors") == 1


def test_shards_come_with_their_index(hub: FakeHub) -> None:
    files = {name: content for name, content in FILES.items() if name != "model.safetensors"}
    shards = [
        "model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
    ]  # fmt: skip
    hub.add("owner/tiny", files | dict.fromkeys([*reversed(shards), "onnx/model.onnx"], b"{}"))
    assert ask_hub("owner/tiny").files == ("config.json", "vocab.txt", *shards, "README.md")


@pytest.mark.parametrize(
    ("lost", "message"),
    [("model.safetensors", "Found no weights"), ("vocab.txt", r"Found no tokenizer\.json or vocab\.txt")],
)
def test_a_model_that_palm_cannot_read_is_refused_before_anything_is_downloaded(
    hub: FakeHub, tmp_path: Path, lost: str, message: str
) -> None:
    hub.add("owner/tiny", {name: FILES[name] for name in FILES if name not in (lost, "pytorch_model.bin")})
    with pytest.raises(DownloadError, match=message):
        fetch_model("owner/tiny", tmp_path)
    assert len(hub.asked) == 1


def test_a_pickle_of_pytorch_comes_where_there_is_nothing_else(hub: FakeHub) -> None:
    hub.add("owner/tiny", {name: FILES[name] for name in FILES if name != "model.safetensors"})
    assert "pytorch_model.bin" in ask_hub("owner/tiny").files


def test_what_answers_in_place_of_a_hub_is_named(hub: FakeHub, tmp_path: Path) -> None:
    hub.add("owner/tiny", dict(FILES), "../..")
    with pytest.raises(DownloadError, match="HF_ENDPOINT"):
        fetch_model("owner/tiny", tmp_path)


def _two_revisions(hub: FakeHub) -> None:
    for commit, name in (("1" * 40, "r1"), ("2" * 40, "r2")):
        files = {**FILES, "vocab.txt": f"[PAD]\n{name}\n".encode(), "model.safetensors": WEIGHTS + name.encode()}
        if name == "r1":
            files["LICENSE"] = b"of r1 alone"
            hub.add("owner/tiny", files, commit)
        hub.add("owner/tiny", files, commit, name)


def _assert_is(hub: FakeHub, folder: Path, name: str) -> None:
    commit, files = hub.models["owner/tiny"][name]
    source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    assert source["revision"] == commit
    assert set(source["files"]) == set(files) - {"pytorch_model.bin"}
    for file in source["files"]:
        assert (folder / file).read_bytes() == files[file]
    assert {path.name for path in folder.iterdir()} == {*source["files"], "source.json"}


def test_another_revision_takes_the_place_of_a_whole_one(
    hub: FakeHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
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


@pytest.mark.parametrize("lost", ["config.json", "vocab.txt", "model.safetensors", "README.md"])
def test_files_of_two_revisions_never_mix(hub: FakeHub, tmp_path: Path, lost: str) -> None:
    """A branch moves on between a download that failed and the next one."""
    _two_revisions(hub)
    hub.answers[f"/{lost}"] = [404]
    with pytest.raises(DownloadError, match="404"):
        fetch_model("owner/tiny", tmp_path)
    hub.models["owner/tiny"]["main"] = hub.models["owner/tiny"]["r2"]
    _forget()
    assert fetch_model("owner/tiny", tmp_path).fresh
    _assert_is(hub, tmp_path / "owner/tiny", "r2")


def test_an_update_that_failed_leaves_the_cached_revision_usable(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _two_revisions(hub)
    fetch_model("owner/tiny", tmp_path / "a")
    hub.models["owner/tiny"]["main"] = hub.models["owner/tiny"]["r2"]
    hub.answers["/config.json"] = [404]
    _forget()
    with pytest.raises(DownloadError, match="404"):
        fetch_model("owner/tiny", tmp_path / "b")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    _forget()
    assert fetch_model("owner/tiny", tmp_path / "b").fresh
    _assert_is(hub, tmp_path / "b/owner/tiny", "r1")


def test_a_note_that_is_no_note(hub: FakeHub, tmp_path: Path) -> None:
    fetch_model("owner/tiny", tmp_path)
    for note in ("[" * 50_000, "[]", '{"files": {"vocab.txt": 3}}', '{"files": {"' + "x" * 5000 + '": {}}}'):
        (tmp_path / "owner/tiny/source.json").write_text(note, encoding="utf-8")
        assert fetch_model("owner/tiny", tmp_path).fresh


def test_the_command_takes_ids(hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "owner/tiny", "--to", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"owner/tiny: downloaded: {(tmp_path / 'owner' / 'tiny').as_posix()}\n"
    assert main(["download", "owner/absent", "--to", str(tmp_path)]) == 2
    assert "the hub has no such public model (404)" in capsys.readouterr().err


def test_a_data_set_comes_with_its_folders(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "查 天气\n".encode()
    hub.models["owner/tiny"]["main"][1]["train/seq.in"] = content
    url = f"{hub.address}/owner/tiny/resolve/{COMMIT}/train/seq.in"
    digest = hashlib.sha256(content).hexdigest()
    made = PublicDataset("tiny", "two words", "CC0-1.0", "o/r", (RemoteFile("train/seq.in", url, 10, digest),))
    monkeypatch.setattr(datasets_module, "datasets", lambda: (made,))
    palm.downloader.download("data", "tiny", tmp_path)

    folder = tmp_path / "datasets" / "tiny"
    assert (folder / "train" / "seq.in").read_bytes() == content
    assert json.loads((folder / "source.json").read_text(encoding="utf-8"))["from"] == "https://github.com/o/r"
    assert not fetch_dataset("tiny", tmp_path / "datasets").fresh


def _remote(hub: FakeHub, name: str, size: int, sha256: str | None) -> RemoteFile:
    return RemoteFile(name, f"{hub.address}/owner/tiny/resolve/{COMMIT}/{name}", size, sha256)


def test_what_came_of_a_data_set_is_compared_with_its_sum(hub: FakeHub, tmp_path: Path) -> None:
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    files = [
        _remote(hub, "model.safetensors", len(WEIGHTS), sums["model.safetensors"]),
        _remote(hub, "vocab.txt", len(FILES["vocab.txt"]), None),
        _remote(hub, "config.json", 0, None),
    ]
    target = tmp_path / "target"
    target.mkdir()
    hub.answers["config.json"] = [404]
    with pytest.raises(DownloadError, match="404"):
        fetch_files(files, target, target)
    for name in ("model.safetensors", "vocab.txt"):
        (came,) = tmp_path.rglob(f".target.parts/*/{name}")
        came.write_bytes(b"damaged meanwhile")
    fetch_files(files, target, target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        file.name: FILES[file.name] for file in files
    }
    assert not list(tmp_path.glob(".target.parts*"))


def test_a_file_of_another_length_than_listed_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"vocab\.txt: the file must have 5 bytes\. Found 16: damaged or replaced"):
        fetch_files([_remote(hub, "vocab.txt", 5, None)], tmp_path, tmp_path / "target")


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
