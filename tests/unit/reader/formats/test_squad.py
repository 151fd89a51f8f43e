"""json in SQuAD's form is read right, or refused with the place of everything that is wrong."""

import copy
import json

import pytest

from palm.errors import DataError
from palm.reader.formats.squad import read_squad

GOOD = {
    "version": "1.1",
    "data": [
        {
            "title": "t",
            "paragraphs": [
                {
                    "context": "我爱北京 the cat",
                    "qas": [
                        {"id": "q1", "question": "我爱哪里?", "answers": [{"text": "北京", "answer_start": 2}]},
                        {"id": "q2", "question": "who?", "answers": [{"text": "the cat", "answer_start": 5}]},
                    ],
                }
            ],
        },
        {"title": "u", "paragraphs": []},
    ],
}


@pytest.fixture
def read(write):
    def read_object(found, phase="train", *, with_negative=False):
        text = found if isinstance(found, str | bytes) else json.dumps(found, ensure_ascii=False)
        return read_squad(write("x.json", text), phase, with_negative=with_negative)

    return read_object


def changed(change):
    """A copy of GOOD after `change(copy, its paragraph, its first question)`."""
    found = copy.deepcopy(GOOD)
    paragraph = found["data"][0]["paragraphs"][0]
    change(found, paragraph, paragraph["qas"][0])
    return found


def test_records(read):
    assert read(GOOD) == [
        {
            "line": 1,
            "id": "q1",
            "question": "我爱哪里?",
            "context": "我爱北京 the cat",
            "answers": [{"text": "北京", "answer_start": 2}],
            "is_impossible": False,
        },
        {
            "line": 2,
            "id": "q2",
            "question": "who?",
            "context": "我爱北京 the cat",
            "answers": [{"text": "the cat", "answer_start": 5}],
            "is_impossible": False,
        },
    ]


def test_a_bom_is_no_part_of_the_file(read):
    assert len(read(b"\xef\xbb\xbf" + json.dumps(GOOD).encode())) == 2


def test_predicting_needs_no_answers(read):
    found = changed(lambda _, __, qa: qa.pop("answers"))
    records = read(found, "predict")
    assert "answers" not in records[0]
    assert records[1]["answers"] == [{"text": "the cat", "answer_start": 5}]


def test_predicting_and_evaluating_keep_an_empty_question(read):
    found = changed(lambda _, __, qa: qa.update(question=""))
    assert [record["question"] for record in read(found, "predict")] == ["", "who?"]
    assert [record["question"] for record in read(found, "eval")] == ["", "who?"]


def test_evaluating_needs_no_offsets(read):
    found = changed(lambda _, __, qa: qa["answers"][0].pop("answer_start"))
    assert read(found, "eval")[0]["answers"] == [{"text": "北京", "answer_start": -1}]


@pytest.mark.parametrize(
    "change",
    [
        lambda _, __, qa: qa.update(answers=[]),
        lambda _, __, qa: qa.update(answers=[], is_impossible=True),
        lambda _, __, qa: qa.update(is_impossible=True),
        lambda _, __, qa: (qa.pop("answers"), qa.update(is_impossible=True)),
    ],
)
@pytest.mark.parametrize("phase", ["train", "eval"])
def test_questions_without_answer_are_an_option(read, change, phase):
    record = read(changed(change), phase, with_negative=True)[0]
    assert (record["answers"], record["is_impossible"]) == ([], True)
    with pytest.raises(DataError) as caught:
        read(changed(change), phase)
    expected = "every question needs an answer, found none for `q1` (data[0].paragraphs[0].qas[0]). Remove it"
    assert expected in str(caught.value)


PLACE = "data[0].paragraphs[0]"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, _, __: f.pop("data"), "`data` must be a list, found only version."),
        (lambda f, _, __: f.update(data={"a": 1}), "`data` must be a list, found an object"),
        (lambda f, _, __: f["data"].append("x"), "`data[2]` must be an object, found a string."),
        (lambda f, _, __: f["data"][0].pop("paragraphs"), "`data[0].paragraphs` must be a list, found only title."),
        (lambda _, p, __: p.pop("context"), f"`{PLACE}.context` must be a string, found only qas."),
        (lambda _, p, __: p.update(context=5), f"`{PLACE}.context` must be a string, found a number `5`."),
        (lambda _, p, __: p.update(context=" "), f"`{PLACE}.context` must contain text, found it empty."),
        (lambda _, p, __: p.pop("qas"), f"`{PLACE}.qas` must be a list, found only context."),
        (lambda _, __, q: q.pop("id"), f"`{PLACE}.qas[0].id` must be a string, found only question, answers."),
        (lambda _, __, q: q.update(id=7), f"`{PLACE}.qas[0].id` must be a string, found a number `7`."),
        (
            lambda _, __, q: q.update(id="q2"),
            f"a question id must be unique, found `q2` at {PLACE}.qas[0] and {PLACE}.qas[1].",
        ),
        (lambda _, __, q: q.pop("question"), f"`{PLACE}.qas[0].question` must be a string, found only id, answers."),
        (lambda _, __, q: q.pop("answers"), f"`{PLACE}.qas[0].answers` must be a list, found only id, question."),
        (lambda _, __, q: q.update(answers={}), f"`{PLACE}.qas[0].answers` must be a list, found an object `{{}}`."),
        (
            lambda _, __, q: q["answers"][0].pop("answer_start"),
            f"`{PLACE}.qas[0].answers[0].answer_start` must be a whole number, found only text.",
        ),
        (
            lambda _, __, q: q["answers"][0].update(answer_start="2"),
            f"`{PLACE}.qas[0].answers[0].answer_start` must be a whole number, found a string `2`.",
        ),
        (
            lambda _, __, q: q["answers"][0].update(answer_start=True),
            f"`{PLACE}.qas[0].answers[0].answer_start` must be a whole number, found a boolean `True`.",
        ),
        (
            lambda _, __, q: q["answers"][0].update(text=""),
            f"`{PLACE}.qas[0].answers[0].text` must contain text, found it empty.",
        ),
        (
            lambda _, __, q: q.update(is_impossible="no"),
            f"`{PLACE}.qas[0].is_impossible` must be true or false, found a string `no`.",
        ),
        (
            lambda _, __, q: q.update(question="\ud800"),
            f"`{PLACE}.qas[0].question` must be Unicode text, found half of a surrogate",
        ),
    ],
)
def test_what_is_refused(write, change, message):
    path = write("x.json", json.dumps(changed(change)))
    with pytest.raises(DataError) as caught:
        read_squad(path, "train", with_negative=False)
    assert f"x.json: {message}" in str(caught.value)


def test_broken_json_is_refused_with_its_line(read):
    with pytest.raises(
        DataError, match=r"x\.json:2: the file must be a JSON object, found invalid JSON: .* \(column 12\)"
    ):
        read('{"data":\n [{"title" "x"}]}')


@pytest.mark.parametrize(("text", "found"), [("[]", "a list"), ("3", "a number"), ("null", "null")])
def test_another_kind_of_json(read, text, found):
    with pytest.raises(DataError, match=f"the file must be a JSON object with the field `data`, found {found}"):
        read(text)


def test_no_question(read):
    with pytest.raises(DataError, match="found no question"):
        read({"data": []})


def test_too_deep_nesting(read):
    with pytest.raises(DataError, match=r"that Python cannot read|broken JSON"):
        read("[" * 200_000)


def test_a_number_of_too_many_digits(read):
    with pytest.raises(DataError, match=r"x\.json: .* found one that Python cannot read: Exceeds the limit"):
        read('{"data": ' + "1" * 5000 + "}")


def test_every_problem_at_once(read):
    def spoil(_, paragraph, qa):
        qa.pop("id")
        paragraph["qas"][1]["answers"][0]["text"] = 3

    with pytest.raises(DataError) as caught:
        read(changed(spoil))
    assert len(caught.value.problems) == 2
