"""The key `encoder`: the real huggingface_hub against a hub on this machine.

huggingface_hub reads its environment variables when it is imported. Commands in this process have what it read
replaced; a few run in a process of their own, with the variables.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import constants
from safetensors.numpy import save

import palm
from palm.downloader import hub_client
from tests.hub_server import COMMIT, LATER, FakeHub, serving
from tests.integration import tiny
from tests.integration.small_encoder import HIDDEN, INNER, LAYERS, POSITIONS, random_weights
from tests.palm_command import palm_here

MODEL = "某/tiny".replace("某", "owner")
REPOSITORY = Path(palm.__file__).parents[1]


def encoder_files(seed: int = 1, **config: object) -> dict[str, bytes]:
    vocab = [*tiny.SPECIAL, *tiny.WORDS, *tiny.CHARACTERS]
    weights = {name: (array * seed).astype(np.float32) for name, array in random_weights(len(vocab)).items()}
    sizes = {
        "model_type": "bert", "vocab_size": len(vocab), "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "num_attention_heads": 4, "intermediate_size": INNER, "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
    }  # fmt: skip
    return {
        "config.json": json.dumps({**sizes, **config}).encode(),
        "vocab.txt": ("\n".join(vocab) + "\n").encode(),
        "tokenizer_config.json": b'{"do_lower_case": false}',
        "model.safetensors": save(weights),
        "README.md": b"# tiny",
        "tf_model.h5": bytes(1000),
    }


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving(FakeHub()) as running:
        running.add(MODEL, encoder_files())
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A configuration of one small task with `encoder: owner/tiny`."""
    config = tiny.config(tmp_path, {"水": tiny.classification_task(tmp_path, "water", chinese=True)}, num_epochs=1)
    config = {key: value for key, value in config.items() if key not in tiny.BACKBONE and key != "vocab_path"}
    config |= {"encoder": MODEL, "save_path": "run"}
    config.pop("backbone", None)
    write(tmp_path, config)
    return tmp_path


def write(folder: Path, config: dict[str, object]) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")


def change(folder: Path, **keys: object) -> None:
    write(folder, {**yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8")), **keys})


def palm_run(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in this process, with nothing that an earlier one has asked a hub."""
    hub_client._list_model.cache_clear()
    own = {"PALM_CACHE": str(folder / "cache"), **environment}
    with pytest.MonkeyPatch.context() as patch:
        for name in foreign_variables():
            patch.delenv(name)
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hf" / "hub"))
        patch.setattr(constants, "HF_HUB_OFFLINE", environment.get("HF_HUB_OFFLINE") == "1")
        return palm_here(*words, cwd=folder, environment=own)


def palm_alone(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if name not in foreign_variables()}
    own = {"PYTHONPATH": str(REPOSITORY), "PALM_CACHE": str(folder / "cache"), "HF_HOME": str(folder / "hf")}
    command = [sys.executable, "-m", "palm", *words]
    return subprocess.run(
        command, cwd=folder, env={**clean, **own, **environment}, capture_output=True, text=True, check=False
    )


def foreign_variables() -> list[str]:
    """Those of this machine about hubs."""
    return [name for name in os.environ if name.startswith(("HF_", "MODELSCOPE_"))]


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def well(folder: Path, hub: FakeHub | None, *words: str, run: Run = palm_run, **environment: str) -> str:
    """stdout of a command that ends well, with what it warns of."""
    if hub is not None:
        environment = {"HF_ENDPOINT": hub.address, **environment}
    done = run(folder, *words, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def refused(folder: Path, hub: FakeHub | None, *words: str, run: Run = palm_run, **environment: str) -> str:
    """stderr of a command that ends with an error of PALM's."""
    if hub is not None:
        environment = {"HF_ENDPOINT": hub.address, **environment}
    done = run(folder, *words, **environment)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_check_fetches_no_weights_and_train_does(project: Path, hub: FakeHub) -> None:
    assert "1 task(s) on bert, 2 layers × 32" in well(project, hub, "check", "config.yaml", run=palm_alone)
    assert hub.fetched("config.json") == hub.fetched("vocab.txt") == 1
    assert hub.fetched("model.safetensors") == 0
    said = well(project, hub, "train", "config.yaml", run=palm_alone)
    assert f"snapshots/{COMMIT}" in said
    assert "parameters loaded" in said
    assert hub.fetched("model.safetensors") == hub.fetched("config.json") == 1
    assert hub.fetched("tf_model.h5") == hub.fetched("README.md") == 0

    resolved = yaml.safe_load((project / "run/config.resolved.yaml").read_text(encoding="utf-8"))
    assert resolved["encoder"] == f"{MODEL}@{COMMIT}"
    assert resolved["pretrain_model_path"] is resolved["vocab_path"] is resolved["tasks"]["水"]["vocab_path"] is None
    exported = json.loads((project / "run/水/infer_model/config.json").read_text(encoding="utf-8"))
    assert exported["encoder"] == f"{MODEL}@{COMMIT}"

    requests = len(hub.asked)
    shutil.copy(project / "run/config.resolved.yaml", project / "again.yaml")
    assert "overrides" not in well(project, hub, "train", "again.yaml", "--save_path", "run2")
    assert len(hub.asked) == requests, "a commit never changes, so the hub is not asked"


def test_other_programs_share_the_cache(project: Path, hub: FakeHub) -> None:
    """What huggingface_hub has fetched for transformers is not fetched again."""
    code = f"from huggingface_hub import snapshot_download; snapshot_download({MODEL!r})"
    keys = {**os.environ, "HF_HOME": str(project / "hf"), "HF_ENDPOINT": hub.address}
    subprocess.run([sys.executable, "-c", code], env=keys, check=True, capture_output=True)
    before = [entry for entry in hub.asked if "/resolve/" in entry]
    well(project, hub, "train", "config.yaml")
    assert [entry for entry in hub.asked if "/resolve/" in entry] == before


def test_offline_with_a_cache_works_and_without_one_says_what_to_do(project: Path, hub: FakeHub) -> None:
    said = refused(project, None, "check", "config.yaml", HF_HUB_OFFLINE="1", run=palm_alone)
    assert re.fullmatch(
        r"config\.yaml:\d+: encoder: `owner/tiny` is not in the cache, and HF_HUB_OFFLINE is set\. .*\n", said
    )
    assert "HF_ENDPOINT to a mirror" in said
    assert "write its path" in said
    assert "multilingual-e5-small" in said

    well(project, hub, "check", "config.yaml")
    assert "of the cache is used" in well(project, None, "check", "config.yaml", HF_HUB_OFFLINE="1", run=palm_alone)
    said = refused(project, None, "train", "config.yaml", HF_HUB_OFFLINE="1")
    assert f"`{MODEL}@{COMMIT}` is not in the cache" in said, "of the weights"
    well(project, hub, "train", "config.yaml")
    for keys in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        said = well(project, None, "train", "config.yaml", **keys)
        assert f"commit {COMMIT[:12]} of the cache is used" in said


def test_an_architecture_that_is_not_there_is_refused_by_its_config_alone(project: Path, hub: FakeHub) -> None:
    hub.add(MODEL, encoder_files(model_type="gpt2"))
    for command in ("check", "train"):
        said = refused(project, hub, command, "config.yaml")
        assert "PALM reads encoders of these types: " in said
        assert "gpt2" in said
    assert {entry.rpartition("/")[2] for entry in hub.asked if "/resolve/" in entry} == {"config.json"}


@pytest.mark.parametrize("lost", ["config.json", "vocab.txt", "model.safetensors"])
def test_a_model_without_what_is_needed_is_refused_before_any_file_comes(
    project: Path, hub: FakeHub, lost: str
) -> None:
    files = encoder_files()
    del files[lost]
    hub.add(MODEL, files)
    said = refused(project, hub, "check", "config.yaml")
    assert {
        "model.safetensors": "Found no weights",
        "vocab.txt": "Found no tokenizer.json or vocab.txt or spm.model",
    }.get(lost, "Found no config.json") in said
    assert not [entry for entry in hub.asked if "/resolve/" in entry]


def test_a_revision_is_pinned_and_a_resumed_run_keeps_it(project: Path, hub: FakeHub) -> None:
    change(project, save_every_n_steps=1, num_epochs=1)
    well(project, hub, "train", "config.yaml")
    shutil.rmtree(project / "run/水")
    hub.add(MODEL, encoder_files(2), commit=LATER)
    assert "Changed since" not in well(project, hub, "train", "config.yaml", "--resume")
    resolved = yaml.safe_load((project / "run/config.resolved.yaml").read_text(encoding="utf-8"))
    assert resolved["encoder"].endswith(COMMIT)
    (checkpoint,) = sorted((project / "run/ckpt").glob("step_*"))[-1:]
    assert json.loads((checkpoint / "progress.json").read_text(encoding="utf-8"))["encoder"] == f"{MODEL}@{COMMIT}"

    well(project, hub, "train", "config.yaml", "--save_path", "new")
    resolved = yaml.safe_load((project / "new/config.resolved.yaml").read_text(encoding="utf-8"))
    assert resolved["encoder"].endswith(LATER), "a new run has the newest"
    for revision in ("main", COMMIT, COMMIT[:7]):
        hub.add(MODEL, encoder_files(), commit=COMMIT, revision=revision)
        change(project, encoder=f"{MODEL}@{revision}")
        well(project, hub, "train", "config.yaml", "--save_path", "third")
        resolved = yaml.safe_load((project / "third/config.resolved.yaml").read_text(encoding="utf-8"))
        assert resolved["encoder"] == f"{MODEL}@{COMMIT}"


def test_another_encoder_for_a_resumed_run_is_named(project: Path, hub: FakeHub) -> None:
    change(project, save_every_n_steps=1)
    well(project, hub, "train", "config.yaml")
    hub.add(MODEL, encoder_files(2), commit=LATER)
    said = well(project, hub, "train", "config.yaml", "--resume", "--encoder", f"{MODEL}@main")
    assert f"Changed since the run was started: encoder {MODEL}@{COMMIT} → {MODEL}@{LATER}" in said


def test_a_broken_connection_is_resumed(project: Path, hub: FakeHub) -> None:
    hub.breaks["model.safetensors"] = [30_000]
    well(project, hub, "train", "config.yaml")
    hub.breaks["model.safetensors"] = [30_000] * 20
    shutil.rmtree(project / "hf")
    done = palm_run(project, "train", "config.yaml", HF_ENDPOINT=hub.address)
    assert "Traceback" not in done.stderr
    hub.breaks.clear()
    well(project, hub, "train", "config.yaml")
    blob = project / "hf/hub/models--owner--tiny/snapshots" / COMMIT / "model.safetensors"
    assert blob.read_bytes() == encoder_files()["model.safetensors"]


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.txt"])
def test_other_bytes_than_the_hub_lists_are_refused_and_removed(project: Path, hub: FakeHub, name: str) -> None:
    if name == "model.safetensors":
        hub.claimed[name] = "0" * 64
    else:
        hub.add(MODEL, encoder_files())
        files = hub.models[MODEL]["main"][1]
        listed = dict(files)
        hub.models[MODEL]["main"] = (COMMIT, listed)
        hub.models[MODEL][COMMIT] = (COMMIT, {**files, name: files[name].replace("鱼".encode(), "鸟".encode())})
    said = refused(project, hub, "train", "config.yaml")
    assert re.search(r"the content must have (sha256|the git hash) \w+\. Found \w+: damaged or replaced", said)
    assert not [path for path in (project / "hf").rglob(name) if path.exists()]


@pytest.mark.parametrize(
    ("status", "token", "message"),
    [
        (401, "", "has no such public model (401). Correct the id; for a private one, set HF_TOKEN"),
        (404, "", "has no such public model (404). Correct the id; for a private one, set HF_TOKEN"),
        (403, "", "Found no access (403). Ask for it there, then set HF_TOKEN"),
        (403, "hf_right", ""),
    ],
)
def test_access_is_a_matter_of_tokens(project: Path, hub: FakeHub, status: int, token: str, message: str) -> None:
    hub.tokens[MODEL] = status
    keys = {"HF_TOKEN": token} if token else {}
    if message:
        assert message in refused(project, hub, "check", "config.yaml", **keys)
    else:
        well(project, hub, "check", "config.yaml", **keys)


def test_a_hub_that_asks_to_wait_is_waited_for(project: Path, hub: FakeHub) -> None:
    hub.answers = {"/api/models/": [429, 503], "/vocab.txt": [429]}
    well(project, hub, "check", "config.yaml")
    hub.answers = {"/api/models/": [429] * 20}
    shutil.rmtree(project / "hf")
    said = refused(project, hub, "check", "config.yaml")
    assert f"{hub.address} answered 429" in said


def test_a_mirror_that_redirects(project: Path, hub: FakeHub) -> None:
    with serving(FakeHub(models=hub.models)) as other:
        hub.mirror = other.address
        well(project, hub, "train", "config.yaml")
        assert other.fetched("model.safetensors") == 1


def test_an_address_that_is_no_hub_is_named(project: Path, hub: FakeHub) -> None:
    hub.models[MODEL]["main"] = ("not-a-commit", encoder_files())
    assert "a Hugging Face hub must answer here" in refused(project, hub, "check", "config.yaml")


def test_two_processes_at_once(project: Path, hub: FakeHub) -> None:
    hub.pause = 0.2
    command = [sys.executable, "-m", "palm", "train", "config.yaml", "--save_path"]
    keys = {"HF_HOME": str(project / "hf"), "HF_ENDPOINT": hub.address, "PYTHONPATH": str(REPOSITORY)}
    runs = [
        subprocess.Popen([*command, name], cwd=project, env={**os.environ, **keys}, stderr=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    for process in runs:
        said = process.communicate()[1]
        assert process.returncode == 0, said
    assert hub.fetched("model.safetensors") == 1


def test_a_cache_that_cannot_be_written_is_said(project: Path, hub: FakeHub) -> None:
    (project / "hf").write_text("a file where the cache should be", encoding="utf-8")
    said = refused(project, hub, "check", "config.yaml")
    assert re.search(r"owner/tiny: .*cannot be written: Not a directory\. Free some space, or set HF_HOME", said)

    (project / "hf").unlink()
    keys = {**os.environ, "HF_HOME": str(project / "hf"), "HF_ENDPOINT": hub.address, "PYTHONPATH": str(REPOSITORY)}
    command = f"ulimit -f 60; exec {sys.executable} -m palm train config.yaml"  # as a full disk: 60 kB in a file
    done = subprocess.run(["bash", "-c", command], cwd=project, env=keys, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot be written: File too large. Free some space" in done.stderr
    well(project, hub, "train", "config.yaml")


def test_capitals_of_a_vocabulary_without_any_are_lower_cased(project: Path, hub: FakeHub) -> None:
    files = encoder_files()
    hub.add(MODEL, {name: content for name, content in files.items() if name != "tokenizer_config.json"})
    config = yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))
    write(project, {key: value for key, value in config.items() if key != "do_lower_case"})
    (project / "up.tsv").write_text("label\ttext_a\n" + "water\tThe Red FISH\nair\tthe BIRD\n" * 8, encoding="utf-8")
    said = well(project, hub, "check", "config.yaml", "--data", "--tasks.水.train_file=up.tsv")
    rule = "vocab.txt has no capital letter, and no file says `do_lower_case`: text is lower-cased."
    assert said.count(rule) == 1
    assert "tokens are unknown" not in said
    kept = ("--tasks.水.train_file=up.tsv", "--do_lower_case=false")
    said = refused(project, hub, "check", "config.yaml", "--data", *kept)
    assert rule not in said
    assert "of the tokens may be unknown" in said
    capital = {**files, "tokenizer_config.json": b"{}", "vocab.txt": files["vocab.txt"].replace(b"house", b"House")}
    hub.add(MODEL, capital, commit="c" * 40)
    assert rule not in well(project, hub, "check", "config.yaml", "--encoder", f"{MODEL}@main")


def test_folders_and_names(project: Path, hub: FakeHub) -> None:
    folder = project / "mine"
    folder.mkdir()
    for name, content in encoder_files().items():
        (folder / name).write_bytes(content)
    for written in ("mine", "./mine", str(folder)):
        change(project, encoder=written)
        well(project, None, "check", "config.yaml", HF_HUB_OFFLINE="1")
    assert "Correct the path" in refused(project, hub, "check", "config.yaml", "--encoder", "./absent")

    hub.add("google-bert/bert-base-chinese", encoder_files())
    said = well(project, hub, "check", "config.yaml", "--encoder", "bert-base-chinese")
    assert "encoder bert-base-chinese is google-bert/bert-base-chinese on the Hugging Face hub" in said
    hub.add("BAAI/bge-small-zh-v1.5", encoder_files())
    assert "BAAI/bge-small-zh-v1.5" in well(project, hub, "check", "config.yaml", "--encoder", "bge-small-zh-v1.5")
    folder.rename(project / "bert-base-chinese")
    said = well(project, hub, "check", "config.yaml", "--encoder", "bert-base-chinese")
    assert f"is the folder {project / 'bert-base-chinese'}, not the model of that name on a hub" in said
    said = refused(project, hub, "check", "config.yaml", "--encoder", "bert-base-chinees")
    assert "unknown encoder `bert-base-chinees`. Did you mean `bert-base-chinese`?" in said
    for hostile in ("../x/y", "a/b/c", "a/../b", "owner/", "owner/mo del", "-owner/model", "ow\x07ner/model"):
        refused(project, hub, "check", "config.yaml", f"--encoder={hostile}")


def test_a_model_of_the_catalogue_is_downloaded_by_training_alone(project: Path) -> None:
    keys = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": str(project)}
    said = well(project, None, "check", "config.yaml", "--encoder", "minilm-l6-en", **keys)
    assert "encoder minilm-l6-en is not on this machine. `palm train` downloads it" in said
    said = refused(project, None, "train", "config.yaml", "--encoder", "minilm-l6-en", **keys)
    assert "pip could not download it" in said
    (project / "pretrain/minilm-l6-en").mkdir(parents=True)
    for name, content in encoder_files().items():
        (project / "pretrain/minilm-l6-en" / name).write_bytes(content)
    well(project, None, "train", "config.yaml", "--encoder", "minilm-l6-en", **keys)
    said = refused(project, None, "check", "config.yaml", "--encoder", "XLNet-cased-base", **keys)
    assert "PALM has no XLNet backbone" in said


def test_what_overrides_the_encoder_is_said_and_what_contradicts_it_is_refused(project: Path, hub: FakeHub) -> None:
    mine = project / "mine.txt"
    mine.write_bytes(encoder_files()["vocab.txt"])
    said = well(project, hub, "check", "config.yaml", "--vocab_path", "mine.txt")
    assert "`vocab_path: mine.txt` overrides what encoder `owner/tiny` says" in said
    (project / "other").mkdir()
    (project / "other/model.safetensors").write_bytes(encoder_files(3)["model.safetensors"])
    said = well(project, hub, "train", "config.yaml", "--pretrain_model_path", "other")
    assert "`pretrain_model_path: other` overrides what encoder `owner/tiny` says" in said
    assert hub.fetched("model.safetensors") == 0
    hub.add(MODEL, encoder_files(model_type="roberta"), commit=LATER)
    said = refused(project, hub, "check", "config.yaml", "--backbone", "ernie")
    assert "roberta" in said


def test_prediction_asks_no_hub(project: Path, hub: FakeHub) -> None:
    well(project, hub, "train", "config.yaml")
    shutil.rmtree(project / "hf")
    well(project, None, "pred", "config.yaml", "水", HF_HUB_OFFLINE="1")
    assert "1 task(s)" in well(project, None, "check", "config.yaml", "--predict", HF_HUB_OFFLINE="1")


def test_stages_start_from_one_encoder(project: Path, hub: FakeHub) -> None:
    config = yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))
    change(project, stages={"first": {"num_epochs": 1}, "second": {"num_epochs": 1}}, save_path="staged")
    del config
    well(project, hub, "train", "config.yaml")
    assert hub.fetched("model.safetensors") == 1
    exported = json.loads((project / "staged/second/水/infer_model/config.json").read_text(encoding="utf-8"))
    assert exported["encoder"] == f"{MODEL}@{COMMIT}"


class Scope(FakeHub):
    """ModelScope: another API over the same kind of server."""


def test_modelscope(project: Path) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread
    from urllib.parse import parse_qs, urlsplit

    files, asked = encoder_files(), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            asked.append(query.get("FilePath", ["list"])[0])
            if parts.path == "/api/v1/models/owner/tiny/repo/files":
                entries = [
                    {"Type": "blob", "Path": name, "Size": len(content), "Sha256": hashlib.sha256(content).hexdigest()}
                    for name, content in files.items()
                ]
                content = json.dumps(
                    {"Code": 200, "Data": {"Files": [*entries, {"Type": "tree", "Path": "x"}]}}
                ).encode()
            elif parts.path == "/api/v1/models/owner/tiny/repo":
                content = files[query["FilePath"][0]]
            else:
                content = b""
            self.send_response(200 if content else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    keys = {"MODELSCOPE_DOMAIN": f"http://127.0.0.1:{server.server_port}"}
    change(project, encoder="modelscope:owner/tiny")
    well(project, None, "check", "config.yaml", **keys)
    assert "model.safetensors" not in asked
    well(project, None, "train", "config.yaml", **keys)
    assert asked.count("model.safetensors") == asked.count("config.json") == 1
    resolved = yaml.safe_load((project / "run/config.resolved.yaml").read_text(encoding="utf-8"))
    assert re.fullmatch(r"modelscope:owner/tiny@master\+[0-9a-f]{12}", resolved["encoder"])
    server.shutdown()
    server.server_close()  # connections are refused from now on, and do not wait for an answer
    well(project, None, "train", "run/config.resolved.yaml", "--save_path", "again", **keys)
    said = refused(project, None, "check", "config.yaml", "--encoder", "modelscope:owner/absent", **keys)
    assert "no connection" in said
