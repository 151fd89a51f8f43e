"""A parser from file to CoNLL-U by commands, in a mix, on its own and stopped in between."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

import palm
from palm.engine.checkpoint import newest_checkpoint
from palm.reader.formats.conllu import read_conllu
from palm.reader.formats.files import FileProblems
from tests.integration import tiny
from tests.integration.test_resume import fingerprint
from tests.palm_command import palm_here


def config(folder: Path, **keys: object) -> dict[str, object]:
    trees = tiny.parse_task(folder, "trees", chinese=True)
    words = {**tiny.slot_task(folder, "slots"), "mix_ratio": 0.5}
    return tiny.config(folder, {"trees": trees, "slots": words}, **keys)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("句法")
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config(folder, num_epochs=12)), encoding="utf-8")
    checked = palm_here("check", file)
    assert checked.returncode == 0, checked.stderr
    assert "trees" in checked.stdout
    done = palm_here("train", file)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_learns_trees(run: Path) -> None:
    done = palm_here("eval", run / "out" / "trees", "--file", run / "trees.conllu")
    assert done.returncode == 0, done.stderr
    scores = palm.load(run / "out" / "trees").evaluate(run / "trees.conllu")
    assert scores["las"] > 0.9
    assert scores["uas"] >= scores["las"]


def test_predictions_are_the_file_with_other_trees(run: Path, tmp_path: Path) -> None:
    given = run / "trees.conllu"
    commented = tmp_path / "in.conllu"
    text = "# text = 大鱼\n" + given.read_text(encoding="utf-8")
    commented.write_text(text.replace("\t_\t_\n", "\t_\tSpaceAfter=No\n"), encoding="utf-8")
    place = tmp_path / "out.conllu"
    done = palm_here("pred", run / "out" / "trees", "--file", commented, "--output", place)
    assert done.returncode == 0, done.stderr
    before, after = (path.read_text(encoding="utf-8").splitlines() for path in (commented, place))
    assert len(after) in (len(before), len(before) + 1)  # an empty line ends the last sentence
    for one, other in zip(before, after, strict=False):
        cells, others = one.split("\t"), other.split("\t")
        assert cells[:6] + cells[8:] == others[:6] + others[8:]
    problems = FileProblems(place)
    assert not any(sentence.faults for sentence in read_conllu(place, problems))
    assert not problems.count
    predictions = [json.loads(line) for line in done.stdout.splitlines()]
    assert set(predictions[0]) == {"index", "words", "heads", "relations", "conllu", "gold"}


def test_other_tasks_have_no_trees_to_write(run: Path, tmp_path: Path) -> None:
    done = palm_here("pred", run / "out" / "slots", "the red fish", "--output", tmp_path / "x.conllu")
    assert done.returncode != 0
    assert ".conllu holds the trees of sentences" in done.stderr
    assert not (tmp_path / "x.conllu").exists()


def test_a_folder_of_predictions_holds_both_files(run: Path, tmp_path: Path) -> None:
    done = palm_here("pred", run / "out" / "trees", "大 鱼 在 河", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"predictions.json", "predictions.conllu"}
    rows = (tmp_path / "out" / "predictions.conllu").read_text(encoding="utf-8").splitlines()
    assert [row.split("\t")[:2] for row in rows if row] == [["1", "大"], ["2", "鱼"], ["3", "在"], ["4", "河"]]


def test_a_run_that_was_stopped_ends_in_the_same_bits(tmp_path: Path) -> None:
    keys = {"save_every_n_steps": 2, "keep_checkpoints": 1000, "max_steps": 6, "num_epochs": 9}
    (tmp_path / "whole").mkdir()
    (tmp_path / "part").mkdir()
    palm.Controller(config(tmp_path / "whole", **keys), overrides=[]).train()
    stopped_at = Path("out", "ckpt", "step_2")
    shutil.copytree(tmp_path / "whole" / stopped_at, tmp_path / "part" / stopped_at)
    palm.Controller(config(tmp_path / "part", **keys, resume="auto"), overrides=[]).train()
    whole, part = (newest_checkpoint(tmp_path / name / "out" / "ckpt")[0] for name in ("whole", "part"))
    assert whole.name == part.name == "step_6"
    assert fingerprint(whole) == fingerprint(part)
