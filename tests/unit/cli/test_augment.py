"""`palm augment`: files of each format, words of each kind, and what is refused."""

import json
from collections import Counter

import pytest

import palm
from palm.cli.main import main
from tests.integration import tiny
from tests.palm_command import palm_here


def augment(folder, *words):
    """Exit code, stdout and stderr of `palm augment`."""
    done = palm_here("augment", *words, cwd=folder)
    return done.returncode, done.stdout, done.stderr


def test_a_txt_file_without_a_header(tmp_path):
    content = "大红鱼在河里游\t水\nthe big bird flies over the house\t天\n鱼\t水\n"
    (tmp_path / "训练.txt").write_text(content, encoding="utf-8")
    code, said, errors = augment(tmp_path, "训练.txt", "--type", "swap", "--num", "2", "--output", "新.txt")
    assert (code, errors) == (0, "texts are in text_a (--columns)\n")
    assert said.splitlines() == [
        "新.txt: 3 rows, and 4 variants of them.",
        "  without a variant, since no word of them may change: 1 row",
    ]
    text = (tmp_path / "新.txt").read_text(encoding="utf-8")
    assert text.startswith(content)
    rows = [line.split("\t") for line in text.splitlines()[3:]]
    assert [label for _, label in rows] == ["水", "水", "天", "天"]
    assert all(Counter(text) == Counter("大红鱼在河里游") and text != "大红鱼在河里游" for text, _ in rows[:2])
    assert all(
        sorted(text.split()) == sorted(["the", "big", "bird", "flies", "over", "the", "house"]) for text, _ in rows[2:]
    )
    again = augment(tmp_path, "训练.txt", "--type", "swap", "--num", "2", "--output", "2.txt")
    assert again[0] == 0
    assert (tmp_path / "2.txt").read_text(encoding="utf-8") == text
    assert augment(tmp_path, "训练.txt", "--type", "swap", "--num", "0", "--output", "3.txt")[0] == 0
    assert (tmp_path / "3.txt").read_text(encoding="utf-8") == content


def test_json_lines_of_fewclue(shared, tmp_path):
    file = shared / "data" / "fewclue_tnews" / "train_0.json"
    code, said, errors = augment(tmp_path, file, "--type", "delete", "--num", "1", "--output", "new.json")
    assert code == 0, errors
    assert said.startswith("new.json: 240 rows, and ")
    before = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [json.loads(line) for line in (tmp_path / "new.json").read_text(encoding="utf-8").splitlines()]
    assert rows[:240] == before
    by_id = {row["id"]: row for row in before}
    assert len(rows) > 460
    for row in rows[240:]:
        own = by_id[row["id"]]
        assert row == {**own, "sentence": row["sentence"], "augmented": True}
        assert 0 < len(row["sentence"]) < len(own["sentence"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("模型 x")
    tasks = {"w": tiny.mlm_task(folder, "w")}
    palm.Controller(tiny.config(folder, tasks, max_steps=4), overrides=[]).train()
    return folder / "out"


@pytest.mark.parametrize("kind", ["insert", "substitute"])
def test_words_of_a_masked_language_model(run, tmp_path, kind):
    rows = [["1", "大红鱼在河", "the red fish swims"], ["0", "小蓝鸟", "the bird"]]
    file = tiny.write_tsv(tmp_path / "m.tsv", ["label", "text_a", "text_b"], rows)
    words = [file, "--type", kind, "--encoder", run / "w", "--num", "2", "--columns", "text_b"]
    code, said, errors = augment(tmp_path, *words, "--output", "a.tsv")
    assert (code, errors) == (0, "")
    assert said == "a.tsv: 2 rows, and 4 variants of them.\n"
    found = [line.split("\t") for line in (tmp_path / "a.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    assert found[:2] == rows
    for (label, text_a, text_b), own in zip(found[2:], [rows[0], rows[0], rows[1], rows[1]], strict=True):
        assert [label, text_a] == own[:2]
        assert text_b != own[2]
        assert len(text_b.split()) == len(own[2].split()) + (kind == "insert")
        assert set(text_b.split()) <= set(tiny.WORDS)
    assert augment(tmp_path, *words, "--output", "b.tsv")[0] == 0
    assert (tmp_path / "b.tsv").read_bytes() == (tmp_path / "a.tsv").read_bytes()


def test_synonyms_of_a_file(tmp_path):
    (tmp_path / "x.csv").write_text('text,label\n"big, red fish",水\n大鱼,水\n', encoding="utf-8")
    (tmp_path / "words.txt").write_text("big,large\n鱼，鸟\n", encoding="utf-8")
    words = ["x.csv", "--type", "substitute", "--method", "synonyms", "--synonyms", "words.txt"]
    code, _, errors = augment(tmp_path, *words, "--output", "y.csv")
    assert code == 0, errors
    found = (tmp_path / "y.csv").read_text(encoding="utf-8").splitlines()
    assert found[3:] == ['"large, red fish",水', "大鸟,水"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "x.txt --type substitute",
            "--encoder: --type substitute --method mlm takes words from a masked language model",
        ),
        (
            "x.txt --type insert --method synonyms",
            "--synonyms: --type insert --method synonyms takes words from a file",
        ),
        ("x.txt --type swap --encoder y", "--encoder: it has no effect with --type swap"),
        ("x.txt --type swap --num -1", "--num: a number of variants, at least 0, is expected. Found -1."),
        ("x.txt --type swap --percent 0", "--percent: a fraction above 0 and up to 1 is expected. Found 0.0."),
        ("x.txt --type swap --seed -3", "--seed: a number, at least 0, is expected. Found -3."),
        ("x.txt --type rotate", "invalid choice: 'rotate'"),
        ("x.txt --type swap --columns title", "x.txt: no column `title`. Found text_a, label."),
        ("missing.txt --type swap", "missing.txt: the data file must be a file, found nothing"),
        ("x.conll --type swap", "x.conll: the rows of a file to extend have labels of whole texts"),
        ("x.txt --type swap --output x.txt", "--output: the rows are written to another file."),
        ("x.txt --type swap --output y.csv", "--output: the new file has the format of the old one, `.txt`."),
        (
            "x.txt --type substitute --method synonyms --synonyms one.txt",
            "one.txt:1: a line names words of one meaning",
        ),
    ],
)
def test_what_cannot_be_is_refused(line, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.txt").write_text("大鱼\t水\n", encoding="utf-8")
    (tmp_path / "one.txt").write_text("鱼\n", encoding="utf-8")
    words = line.split()
    assert main(["augment", *words, *([] if "--output" in words else ["--output", "y.txt"])]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "y.txt").exists()
