"""benchmarks/parsing: the copies of a treebank, MaChAmp's parameters, scores, and the table."""

import json

import pytest

from benchmarks.parsing import __main__ as parsing
from benchmarks.parsing.systems import Settings, machamp_parameters, palm_configuration
from benchmarks.parsing.treebank import prepared, scores

SENTENCE = """# text = I don't
1\tI\tI\tPRON\t_\t_\t2\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\t_\t_\t0\troot\t_\t_
2.1\tx\t_\t_\t_\t_\t_\t_\t_\t_
3\tn't\tnot\tPART\t_\t_\t2\tadvmod\t_\t_
"""
PUBLISHED = """{"transformer_model": "bert", // the encoder
 "max_input_length": 128, "batch_size": 32, "num_epochs": 20, "lr": 0.0001}"""


@pytest.fixture
def treebank(tmp_path):
    source = tmp_path / "树库"
    source.mkdir()
    for part in ("train", "dev", "test"):
        (source / f"en_x-ud-{part}.conllu").write_text(f"{SENTENCE}\n{SENTENCE}\n", encoding="utf-8")
    (tmp_path / "work").mkdir()
    return prepared(source, tmp_path / "work", 1)


def test_copies_hold_words_alone(treebank):
    lines = treebank.files["dev"].read_text(encoding="utf-8").splitlines()
    assert [line.partition("\t")[0] for line in lines] == ["1", "2", "3", ""]
    assert treebank.name == "en_x"
    assert treebank.tasks == ("lemmas", "upos", "trees")  # it has no features


def test_a_folder_without_a_treebank_is_refused(tmp_path):
    with pytest.raises(SystemExit, match=r"one file \*-train.conllu is expected, found 0"):
        prepared(tmp_path, tmp_path)


def test_tags_share_the_rows_of_trees(treebank, tmp_path):
    settings = Settings(tmp_path, 3, 1e-4)
    alone = palm_configuration(treebank, ("trees",), settings, tmp_path)
    mixed = palm_configuration(treebank, treebank.tasks, settings, tmp_path)
    assert (alone["mode"], mixed["mode"]) == ("alternating", "joint")
    assert {name: task.get("share_rows_with") for name, task in mixed["tasks"].items()} == {
        "trees": None, "lemmas": "trees", "upos": "trees",
    }  # fmt: skip


def test_parameters_of_machamp_are_replaced_and_comments_stay(tmp_path):
    found = machamp_parameters(PUBLISHED, Settings(tmp_path, 3, 2e-4, batch_size=16, max_seq_len=64))
    assert json.loads(found.replace("// the encoder", "")) == {
        "transformer_model": str(tmp_path.resolve()), "max_input_length": 64, "batch_size": 16, "num_epochs": 3,
        "lr": 2e-4,
    }  # fmt: skip
    assert "// the encoder" in found


def test_parameters_of_another_version_are_refused(tmp_path):
    with pytest.raises(RuntimeError, match="one `lr` is expected, found 0"):
        machamp_parameters(PUBLISHED.replace('"lr"', '"rate"'), Settings(tmp_path, 3, 1e-4))


def test_scores_are_the_f1_of_the_official_script(tmp_path):
    script = tmp_path / "conll18_ud_eval.py"
    rows = ["Metric | Precision | Recall | F1 Score | AligndAcc", "-------+", "UAS | 1.00 | 2.00 | 3.50 | 4.00"]
    rows += ["LAS | 1.00 | 2.00 | 3.25 | 4.00", "UPOS | 1.00 | 2.00 | 9.00 | 4.00"]
    script.write_text(f"print({chr(10).join(rows)!r})", encoding="utf-8")
    assert scores(script, tmp_path, tmp_path, ("trees",)) == {"UAS": 3.5, "LAS": 3.25}
    script.write_text("raise SystemExit('不是树')", encoding="utf-8")
    with pytest.raises(RuntimeError, match="不是树"):
        scores(script, tmp_path, tmp_path, ("trees",))


def row(las, **changes):
    found = {"treebank": "en_x", "system": "PALM", "tasks": ["trees"], "settings": {"epochs": 3}}
    part = {"UAS": 70.0, "LAS": las}
    return {**found, "dev": part, "test": part, "minutes": {"train": 2.0, "dev": 0.1, "test": 0.2}, **changes}


def test_the_table_has_a_row_for_each_file():
    assert parsing.lines_of(row(60.0)) == [
        "| en_x, dev | PALM, alone | 70.00 | 60.00 | – | – | – | 2.0 | 0.1 |",
        "| en_x, test | PALM, alone | 70.00 | 60.00 | – | – | – | 2.0 | 0.2 |",
    ]


def test_a_row_replaces_that_of_the_same_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(parsing, "RESULTS", tmp_path / "parsing.json")
    for found in (row(50.0), row(55.0, system="MaChAmp"), row(60.0), row(65.0, settings={"epochs": 5})):
        parsing.write_results(found)
    kept = json.loads(parsing.RESULTS.read_text(encoding="utf-8"))
    assert [each["test"]["LAS"] for each in kept] == [55.0, 60.0, 65.0]
