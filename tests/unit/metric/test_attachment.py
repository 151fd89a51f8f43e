"""LAS and UAS are what the script of the CoNLL 2018 shared task says.

Its `conll18_ud_eval.py` (version 1.2) gives these two files UAS 7/11 and LAS 5/11. Multiword tokens stand in them, of
which the words count; punctuation counts, and subtypes of relations do not.
"""

import pytest

from palm.metric import METRICS
from palm.reader.formats.conllu import read_conllu
from palm.reader.formats.files import FileProblems


def conllu(*sentences):
    rows = []
    for sentence in sentences:
        for number, (form, head, relation) in enumerate(sentence, 1):
            rows.append("\t".join([str(number), form, "_", "_", "_", "_", str(head), relation, "_", "_"]))
        rows.append("")
    return "\n".join(rows).replace("1\tdo\t", "1-2\tdon't" + "\t_" * 8 + "\n1\tdo\t", 1) + "\n"


GOLD = conllu(
    [("do", 3, "aux"), ("n't", 3, "advmod"), ("go", 0, "root"), ("home", 3, "obl:tmod"), (".", 3, "punct")],
    [("红", 2, "amod"), ("鱼", 4, "nsubj:pass"), ("被", 4, "aux:pass"), ("吃", 0, "root"), ("了", 4, "discourse:sp"),
     ("。", 4, "punct")],
)  # fmt: skip
SYSTEM = conllu(
    [("do", 3, "aux"), ("n't", 1, "advmod"), ("go", 0, "root"), ("home", 3, "obl"), (".", 4, "punct")],
    [("红", 2, "nmod"), ("鱼", 0, "root"), ("被", 4, "aux"), ("吃", 2, "acl"), ("了", 4, "discourse"),
     ("。", 4, "mark")],
)  # fmt: skip


def read(tmp_path, content):
    file = tmp_path / "x.conllu"
    file.write_text(content, encoding="utf-8")
    problems = FileProblems(file)
    sentences = list(read_conllu(file, problems))
    problems.raise_all()
    return sentences


def test_the_numbers_of_the_official_script(tmp_path):
    records = [{"heads": one.heads, "labels": one.relations} for one in read(tmp_path, GOLD)]
    predictions = [{"heads": one.heads, "relations": one.relations} for one in read(tmp_path, SYSTEM)]
    assert METRICS["las"](predictions, records) == pytest.approx({"las": 5 / 11, "uas": 7 / 11})


def test_without_words_there_is_nothing_right():
    assert METRICS["las"]([], []) == {"las": 0.0, "uas": 0.0}
