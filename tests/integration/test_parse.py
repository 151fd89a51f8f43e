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


def test_rows_in_memory_train_and_evaluate_as_their_file(tmp_path: Path) -> None:
    """What the predictions of a parser hold is what another one learns from."""
    task = tiny.parse_task(tmp_path, "trees", chinese=True)
    sentences = list(read_conllu(tmp_path / "trees.conllu", FileProblems(tmp_path)))
    rows = [{"words": one.words, "heads": one.heads, "relations": one.relations} for one in sentences]
    losses, scores = [], []
    for name, given in (("file", task["train_file"]), ("rows", rows)):
        entry = {**task, "train_file": given, "dev_file": given}
        keys = {"save_path": str(tmp_path / name), "num_epochs": 2}
        palm.Controller(tiny.config(tmp_path, {"trees": entry}, **keys), overrides=[]).train()
        lines = (tmp_path / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        losses.append([row["loss"] for row in map(json.loads, lines) if "loss" in row])
        scores.append(palm.load(tmp_path / name)["trees"].evaluate(given))
    assert losses[0]
    assert losses[0] == losses[1]
    assert scores[0] == scores[1]
    found = palm.load(tmp_path / "rows").predict([{"words": sentences[0].words}])["trees"][0]
    assert found["words"] == sentences[0].words
    assert "gold" not in found
    assert found["heads"].count(0) == 1


def row_of_file(file: Path) -> dict[str, list[str]]:
    """The first sentence with a word in d, as a row to predict."""
    sentences = read_conllu(file, FileProblems(file))
    return {"text_a": next(one.words for one in sentences if any(word.endswith("d") for word in one.words))}


def annotated(file: Path) -> None:
    """Give the words of a file lemmas, parts of speech and features, where d is an ending."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        cells = line.split("\t")
        if len(cells) > 1:
            form = cells[1]
            cells[2] = form.removesuffix("d")
            cells[3], cells[5] = ("VERB", "_") if cells[7] == "root" else ("NOUN", "Number=Sing")
        lines.append("\t".join(cells))
    file.write_text("\n".join(lines), encoding="utf-8")


def test_one_file_gives_four_tasks_of_one_pass(tmp_path: Path) -> None:
    trees = tiny.parse_task(tmp_path, "trees")
    annotated(tmp_path / "trees.conllu")
    tagged = {"reader": "seq_label", "paradigm": "seq_label", "share_rows_with": "trees"}
    files = {name: trees[name] for name in ("train_file", "dev_file")}
    own = {"upos": "UPOS", "feats": "FEATS", "lemmas": "LEMMA_RULE"}
    others = {name: {**tagged, **files, "columns": {"text_a": "FORM", "label": column}} for name, column in own.items()}
    made = tiny.config(tmp_path, {"trees": trees, **others}, mode="joint", num_epochs=15)
    palm.Controller(made, overrides=[]).train()
    run = palm.load(tmp_path / "out")
    row = row_of_file(tmp_path / "trees.conllu")
    found = {task: run[task].predict_rows([row])[0] for task in run}
    assert found["trees"]["relations"].count("root") == 1
    words = row["text_a"]
    assert found["lemmas"]["lemmas"] == [word.removesuffix("d") for word in words]
    assert set(found["upos"]["labels"]) <= {"NOUN", "VERB"}
    scores = {task: run[task].evaluate(tmp_path / "trees.conllu") for task in run}
    reached = [scores["trees"]["las"], scores["lemmas"]["lemma_accuracy"]]
    assert min(*reached, *(scores[task]["token_accuracy"] for task in ("upos", "feats"))) > 0.9
