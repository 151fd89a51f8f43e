"""Words of labels: of files as the document of few-shot learning prints them, of prompt files, and their tokens."""

import json

import pytest

from palm.data.dataset import LabelMap
from palm.data.prompt_encoding import PromptEncoding, PromptSettings
from palm.data.prompt_template import parse_template
from palm.errors import ConfigError, DataError
from palm.reader.label_words import (
    labels_with_words,
    notes_on_words,
    read_label_words,
    read_prompt_file,
    tokens_of_words,
    with_words,
    words_by_label,
)


def test_a_file_of_labels(write):
    file = write("label.txt", "news_car==汽车\n\nnews_culture'=='文化\nnews_car==车 \nsports\n")
    assert read_label_words(file) == {"news_car": ["汽车", "车"], "news_culture": ["文化"], "sports": ["sports"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a==b\nc==\n", r"label\.txt:2: a line must be `label` or `label==word`, found `c==`"),
        ("==b\n", r"label\.txt:1: a line must be"),
        ("a==b==c\n", r"label\.txt:1: a line must be"),
        ("a==b\na==b\n", r"label\.txt:2: a word must occur once"),
        ("", r"label\.txt: a data file must contain examples"),
    ],
)
def test_lines_that_are_not_valid(write, content, message):
    with pytest.raises(DataError, match=message):
        read_label_words(write("label.txt", content))


PROMPTS = {
    "template": [{"text": "{'text':'text_a'}好"}, {"text": "二{'mask'}"}, "三", {"text": "四"}],
    "verbalizer": [{"P": "好", "N": ["坏", "差"]}, None, ["正", "负"], []],
}


def test_a_prompt_file(write):
    file = write("prompt.json", json.dumps(PROMPTS, ensure_ascii=False))
    first = {"P": ["好"], "N": ["坏", "差"]}
    found = [read_prompt_file(file, index) for index in range(4)]
    assert [entry.prompt for entry in found] == ["{'text':'text_a'}好", "二{'mask'}", "三", "四"]
    assert [entry.words for entry in found] == [first, first, *[{"正": ["正"], "负": ["负"]}] * 2]
    with pytest.raises(ConfigError, match=r"prompt_index: .* has 4 templates, counted from 0. Found 4"):
        read_prompt_file(file, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "must be JSON, found invalid JSON"),
        ("[" * 100_000, "must be JSON, found invalid JSON"),
        ("[]", "a prompt file must hold lists"),
        ('{"template": []}', "a prompt file must hold lists"),
        (
            '{"template": ["a"], "verbalizer": [null, null]}',
            "one verbalizer, or null, for each template, found 2 and 1",
        ),
        ('{"template": [{"txt": "a"}]}', "template 0 must be a text"),
        ('{"template": ["a"], "verbalizer": ["b"]}', "verbalizer 0: label words are `{label: word}`, found `b`"),
        ('{"template": ["a"], "verbalizer": [{"b": {}}]}', "verbalizer 0: a label must be text or a whole number"),
    ],
)
def test_prompt_files_that_are_not_valid(write, content, message):
    with pytest.raises(DataError, match=rf"prompt\.json: .*{message}"):
        read_prompt_file(write("prompt.json", content), 0)


def test_words_as_they_are_given():
    assert words_by_label({0: "terrible", "1": ["great", "good"]}) == {"0": ["terrible"], "1": ["great", "good"]}
    for wrong in (
        "a",
        {True: "a"},
        {"a": []},
        {"a": ["b", "b"]},
        {"a": None},
        {"": "a"},
        ["a", "a"],
        {1: "a", "1": "b"},
    ):
        with pytest.raises(ValueError, match="label"):
            words_by_label(wrong)


def test_labels_are_sorted_and_a_label_without_a_word_is_its_own():
    labels = labels_with_words(["b", "汽车"], {"a": ["好", "坏"]}, None)
    assert (labels.names, labels.words) == (("a", "b", "汽车"), (("好", "坏"), ("b",), ("汽车",)))
    assert with_words(LabelMap(("x", "y")), {"y": ["是"]}).words == (("x",), ("是",))


def test_tokens_of_words(tokenizer, ids):
    encoding = PromptEncoding(parse_template("{'mask'}", soft=False), tokenizer, PromptSettings(9))
    labels = LabelMap(("a", "b"), words=(("北京", "good"), ("bad",)))
    tokens = tokens_of_words(labels, encoding)
    assert tokens == ((tuple(ids("北 京")), tuple(ids("good"))), (tuple(ids("bad")),))
    assert notes_on_words(labels, tokens, tokenizer.unk_id) == ()
    assert tokens_of_words(LabelMap(("good",)), encoding) == ((tuple(ids("good")),),)
    with pytest.raises(ConfigError, match=r"label_words: a word must have tokens, found `\\u200b` of the label `a`"):
        tokens_of_words(LabelMap(("a",), words=(("\u200b",),)), encoding)


def test_words_that_the_vocabulary_lacks_and_labels_that_look_the_same(tokenizer):
    encoding = PromptEncoding(parse_template("{'mask'}", soft=False), tokenizer, PromptSettings(9))
    labels = LabelMap(("a", "b", "c"), words=(("鱼",), ("good",), ("Good",)))
    assert notes_on_words(labels, tokens_of_words(labels, encoding), tokenizer.unk_id) == (
        "label words that the vocabulary lacks: 鱼. Choose words that it has.",
        "labels with the same words: b and c. No prompt can distinguish them.",
    )
