"""Sentences of CoNLL files as they are found: comments, blanks as words, CoNLL-U; what is skipped is noted."""

import pytest

from palm.errors import DataError
from palm.reader.formats.conll import read_conll
from palm.reader.formats.files import FileProblems
from palm.reader.formats.notes import collected_notes


@pytest.fixture
def read(write):
    def read_file(content, phase="train", name="x.conll", **columns):
        file = write(name, content)
        problems = FileProblems(file)
        with collected_notes() as notes:
            sentences = list(read_conll(file, problems, phase, columns))
        problems.raise_all()
        return [(sentence.line, sentence.words, sentence.labels) for sentence in sentences], notes

    return read_file


@pytest.mark.parametrize(
    ("content", "sentences", "comments"),
    [
        (
            "# text = anna met\nanna\tB-PER\nmet\tO\n\n# text = 我 爱\n我\tB-PER\n爱\tO\n",
            [(2, ["anna", "met"], ["B-PER", "O"]), (6, ["我", "爱"], ["B-PER", "O"])],
            "2 comment lines (#) are skipped, such as line 1.",
        ),
        (
            "###MEDLINE:123\n\nIL-2 B-DNA\ngene I-DNA\n\n###MEDLINE:456\n\nthe O\ncell O\n",
            [(3, ["IL-2", "gene"], ["B-DNA", "I-DNA"]), (8, ["the", "cell"], ["O", "O"])],
            "2 comment lines (#) are skipped, such as line 1.",
        ),
        (
            "-DOCSTART- O\n\n# one\n# two\n#photography O\n# O\n#北京 B-LOC\n",
            [(5, ["#photography", "#", "#北京"], ["O", "O", "B-LOC"])],
            "2 comment lines (#) are skipped, such as line 3.",
        ),
        ("#all O\n#of B-x\n\n#them O\n", [(1, ["#all", "#of"], ["O", "B-x"]), (4, ["#them"], ["O"])], None),
    ],
)
def test_comments_are_skipped_and_words_with_a_hash_are_kept(read, content, sentences, comments):
    found, notes = read(content)
    assert found == sentences
    assert notes == ([comments] if comments else [])


def test_a_hash_inside_a_sentence_is_a_word_or_wrong(read):
    assert read("the O\n#tag O\n")[0] == [(1, ["the", "#tag"], ["O", "O"])]
    with pytest.raises(DataError, match=r"x\.conll:2: expected 2 columns as in the first line, found 5"):
        read("the O\n# text = the cat\ncat O\n")


@pytest.mark.parametrize("content", ["anna\tB-P\n \tO\n\u3000\tO\nmet\tO\n", "anna B-P\n  O\n\u3000 O\nmet O\n"])
def test_a_blank_may_be_a_word(read, content):
    found, notes = read(content)
    assert found == [(1, ["anna", " ", "\u3000", "met"], ["B-P", "O", "O", "O"])]
    assert notes == ["2 words are blanks, which the model sees as [UNK], such as line 2."]


CONLLU = (
    "# sent_id = 1\n# text = the dogs bark\n1\tthe\tthe\tDET\tDT\t_\t4\tdet\t_\t_\n2-3\tdogs\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "2\tdog\tdog\tNOUN\tNN\t_\t4\tnsubj\t_\t_\n3\ts\ts\tPART\tPOS\t_\t2\tx\t_\t_\n"
    "3.1\tdo\tdo\tAUX\tVB\t_\t_\t_\t_\t_\n4\t叫\t叫\tVERB\tVB\t_\t0\troot\t_\tSpaceAfter=No\n\n"
    "# sent_id = 2\n1\tNew York\tx\tPROPN\tNNP\t_\t0\troot\t_\t_\n"
)


@pytest.mark.parametrize("name", ["x.conllu", "x.conll"])
def test_conllu(read, name):
    found, notes = read(CONLLU, name=name)
    assert found == [
        (3, ["the", "dog", "s", "叫"], ["DET", "NOUN", "PART", "VERB"]),
        (11, ["New York"], ["PROPN"]),
    ]
    assert notes[0].startswith("CoNLL-U: words in column 1 FORM (`the`, `dogs`, `dog`), tags in column 3 UPOS")
    assert notes[1:] == [
        "3 comment lines (#) are skipped, such as line 1.",
        "2 multiword ranges and empty nodes are skipped, such as line 4.",
    ]


def test_other_columns_of_conllu(read):
    found, _ = read(CONLLU, name="x.conllu", text_a="LEMMA", label="DEPREL")
    assert found[0] == (3, ["the", "dog", "s", "叫"], ["det", "nsubj", "x", "root"])


def test_tags_in_any_column(read):
    assert read("B-PER anna\nO met\n")[0] == [(1, ["anna", "met"], ["B-PER", "O"])]
    assert read("the DT B-NP O\ncat NN I-NP B-x\n", label="2")[0] == [(1, ["the", "cat"], ["B-NP", "I-NP"])]


def test_a_sentence_of_comments_alone_is_none(read):
    with pytest.raises(DataError, match="found no sentence"):
        read("# one\n\n# two\n")
