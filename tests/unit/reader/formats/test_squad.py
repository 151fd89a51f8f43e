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
    assert read(found, "eval")[0]["answers"] == [{"text": "北京", "answer_start": 2}]
    found = changed(lambda _, p, qa: (p.update(context="北京爱北京 the cat"), qa["answers"][0].pop("answer_start")))
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
        (lambda _, __, q: q.update(id=True), f"`{PLACE}.qas[0].id` must be a string, found a boolean `True`."),
        (lambda _, __, q: q.update(id=1.5), f"`{PLACE}.qas[0].id` must be a string, found a number `1.5`."),
        (
            lambda _, __, q: q.update(id="q2"),
            f"a question id must be unique, found `q2` at {PLACE}.qas[0] and {PLACE}.qas[1].",
        ),
        (lambda _, __, q: q.pop("question"), f"`{PLACE}.qas[0].question` must be a string, found only id, answers."),
        (lambda _, __, q: q.pop("answers"), f"`{PLACE}.qas[0].answers` must be a list, found only id, question."),
        (lambda _, __, q: q.update(answers={}), f"`{PLACE}.qas[0].answers` must be a list, found an object `{{}}`."),
        (
            lambda _, __, q: q["answers"][0].update(answer_start=1.5),
            f"`{PLACE}.qas[0].answers[0].answer_start` must be a whole number, found a number `1.5`.",
        ),
        (
            lambda _, __, q: q.update(answers={"text": ["北京"], "answer_start": [2, 5]}),
            f"`{PLACE}.qas[0].answers` must be a list, found an object",
        ),
        (lambda _, __, q: q.update(is_impossible=2), f"`{PLACE}.qas[0].is_impossible` must be true or false, found a"),
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


@pytest.mark.parametrize(("text", "found"), [("3", "a number"), ("null", "null"), ('"x"', "a string")])
def test_another_kind_of_json(read, text, found):
    with pytest.raises(DataError, match=f"the file must be a JSON object with the field `data`, found {found}"):
        read(text)


@pytest.mark.parametrize("found", [{"data": []}, [], '{"header": {"dataset": "x"}}'])
def test_no_question(read, found):
    with pytest.raises(DataError, match="found no question"):
        read(found)


CONTEXT = "我爱北京 the cat"
QA = {"id": "q1", "question": "我爱哪里?", "answers": [{"text": "北京", "answer_start": 2}]}
RECORD = {"line": 1, "id": "q1", "question": "我爱哪里?", "context": CONTEXT, "answers": QA["answers"]}


def lines(*objects):
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in objects) + "\n"


@pytest.mark.parametrize(
    "found",
    [
        [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": [QA]}]}],
        [{"context": CONTEXT, "qas": [QA]}],
        [{**QA, "context": CONTEXT}],
        {"data": [{**QA, "context": CONTEXT, "title": "t"}]},
        {"context": CONTEXT, "qas": [QA]},
        lines({**QA, "context": CONTEXT}),
        lines({"context": CONTEXT, "qas": [QA]}, {"header": 1}),
        [{**QA, "context": CONTEXT, "answers": {"text": ["北京"], "answer_start": [2]}}],
        [{**QA, "context": CONTEXT, "answers": {"text": "北京", "answer_start": 2}}],
        [{**QA, "context": CONTEXT, "answers": [{"text": "北京", "answer_start": 2.0}]}],
        [{**QA, "context": CONTEXT, "is_impossible": 0}],
        [{**QA, "context": CONTEXT, "is_impossible": None}],
        lines(
            {"header": {"dataset": "x", "split": "train"}},
            {
                "context": CONTEXT,
                "qas": [
                    {
                        "qid": "q1",
                        "question": "我爱哪里?",
                        "answers": ["北京", "首都"],
                        "detected_answers": [{"text": "北京", "char_spans": [[2, 3]], "token_spans": [[2, 3]]}],
                    }
                ],
            },
        ),
        # CMRC 2018 as published
        [{"context_id": "c", "context_text": CONTEXT, "qas": [{**QA, "query_id": "q1", "query_text": "我爱哪里?"}]}],
    ],
)
def test_the_forms_of_squads_relatives(read, found):
    (record,) = read(found)
    assert {name: record[name] for name in RECORD} == RECORD
    assert record["is_impossible"] is False


def test_mrqa_is_evaluated_by_all_its_answers(read):
    qa = {"qid": 7, "question": "?", "answers": ["北京", "the cat", "首都"], "detected_answers": []}
    (record,) = read(lines({"header": 1}, {"context": CONTEXT, "qas": [qa]}), "eval")
    assert record["id"] == "7"
    assert [answer["text"] for answer in record["answers"]] == ["北京", "the cat", "首都"]


@pytest.mark.parametrize(("given", "read_as"), [(268987, "268987"), (3.0, "3"), (0, "0")])
def test_ids_that_are_numbers(read, given, read_as):
    assert read(changed(lambda _, __, qa: qa.update(id=given)))[0]["id"] == read_as


def test_questions_without_id_have_their_number(read):
    rows = [{**QA, "context": CONTEXT}, {**QA, "context": CONTEXT}]
    for row in rows:
        row.pop("id")
    assert [record["id"] for record in read(rows)] == ["0", "1"]
    assert [record["id"] for record in read(lines(*rows))] == ["1", "2"]


@pytest.mark.parametrize(
    ("answers", "found", "note"),
    [
        ([{"text": "北京"}], [("北京", 2)], "1 answers have no answer_start and were found"),
        (["the cat"], [("the cat", 5)], "1 answers have no answer_start and were found"),
        ([{"text": "北京", "answer_start": None}], [("北京", 2)], "1 answers have no answer_start and were found"),
        ([{"text": "京\u00a0the", "answer_start": 3}], [("京 the", 3)], "1 answers differ from their context in kinds"),
        ([{"text": "a", "answer_start": -1}], [("a", 10)], "were found"),
        ([{"text": "dog"}], [("dog", -1)], None),
        ([{"text": "cat", "answer_start": 1}], [("cat", 1)], None),
    ],
)
def test_answers_are_found_or_kept_as_they_are(read, answers, found, note, caplog):
    record = read([{**QA, "context": CONTEXT, "answers": answers}])[0]
    assert [(answer["text"], answer["answer_start"]) for answer in record["answers"]] == found
    assert [message for message in caplog.messages if note and note in message] == caplog.messages


def test_an_empty_answer_is_none_where_questions_may_have_none(read, caplog):
    rows = [{**QA, "context": CONTEXT, "answers": [{"text": "", "answer_start": 0}]}]
    assert read(rows, with_negative=True)[0]["is_impossible"] is True
    assert "x.json: 1 empty answers count as none (with_negative)." in caplog.text
    with pytest.raises(DataError, match=r"`\[0\].answers\[0\].text` must contain text, found it empty"):
        read(rows)


def test_problems_of_json_lines_have_their_line(read):
    with pytest.raises(DataError) as caught:
        read(lines({**QA, "context": CONTEXT}, {**QA, "context": CONTEXT}, {"text": "x"}) + "{\n[1]\n")
    expected = [
        "x.json:4: a line must be a JSON object, found invalid JSON: Expecting property name enclosed in double quotes",
        "x.json:5: a line must be a JSON object, found a list `[1]`.",
    ]
    assert all(message in str(caught.value) for message in expected)
    with pytest.raises(DataError) as caught:
        read(lines({**QA, "context": CONTEXT}, {**QA, "context": CONTEXT}, {"text": "x"}))
    expected = [
        "x.json:2: a question id must be unique, found `q1` at line 1 and line 2. Rename one",
        "x.json:3: a line must hold an article (paragraphs), a paragraph (qas) or a question, found text.",
    ]
    assert all(message in str(caught.value) for message in expected)


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
