"""Input files are looked up from the current directory, then from the folder of the file that names them."""

from pathlib import Path

import pytest

from palm.backbone.config_json import next_to_weights
from palm.config.merge import locate
from palm.schema.places import find_input
from palm.schema.settings import TaskSettings
from palm.schema.values import Resolved, Setting


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lookup(value: str, phase: str = "train", key: str = "train_file") -> tuple[object, list[str]]:
    given = {key: Resolved(Setting(key, value, "conf/c.yaml:2", Path("conf")))}
    found, problems = locate(given, [TaskSettings], phase)
    return (given | found)[key].setting.value, [str(problem) for problem in problems]


def test_current_directory_comes_first(place: Path) -> None:
    (place / "conf/数据.tsv").touch()
    assert lookup("数据.tsv") == ("conf/数据.tsv", [])
    (place / "数据.tsv").touch()
    assert lookup("数据.tsv") == ("数据.tsv", [])
    assert lookup(str(place / "conf/数据.tsv")) == (str(place / "conf/数据.tsv"), [])


def test_missing_file_names_both_places(place: Path) -> None:
    value, problems = lookup("a.tsv")
    assert value == "a.tsv"
    assert problems == [
        f"conf/c.yaml:2: train_file names an existing file. Found `a.tsv`, looked for at `{place}/a.tsv` "
        f"and at `{place}/conf/a.tsv`. Correct the path."
    ]


def test_files_of_the_other_phase_may_be_missing() -> None:
    assert lookup("a.tsv", "predict") == ("a.tsv", [])
    assert lookup("a.tsv", "train", "pred_file") == ("a.tsv", [])
    assert lookup("a.tsv", "predict", "pred_file")[1] != []
    assert lookup("a", "predict", "inference_model_dir") == ("a", [])


def test_a_folder_is_no_file() -> None:
    assert "train_file names a file. Found the folder `conf`." in lookup("conf")[1][0]


@pytest.mark.parametrize("value", ["x" * 5000, "a\0b"])
def test_impossible_names_are_missing_files(value: str) -> None:
    assert len(lookup(value)[1]) == 1


def test_home_folder(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setenv("HOME", str(place / "conf"))
    (place / "conf/v.txt").touch()
    assert find_input("~/v.txt", None) == place / "conf/v.txt"


def test_files_beside_the_weights(place: Path) -> None:
    params = place / "pretrain/ernie/params"
    params.mkdir(parents=True)
    (place / "pretrain/ernie/vocab.txt").touch()
    (place / "pretrain/vocab.txt").touch()
    assert next_to_weights(params, ("vocab.txt",)) == place / "pretrain/ernie/vocab.txt"
    assert next_to_weights(params, ("config.json",)) is None
    weights = place / "pretrain/model.pdparams"
    weights.touch()
    assert next_to_weights(weights, ("vocab.txt",)) == place / "pretrain/vocab.txt"
    (place / "pretrain/tokenizer.json").touch()
    assert next_to_weights(weights, ("tokenizer.json", "vocab.txt")) == place / "pretrain/tokenizer.json"
