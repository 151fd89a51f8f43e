"""Rules of lemmas: what they say of words that people know, and that they give back every lemma."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.data.lemma_rules import apply_rule, are_rules, lemma_rule


@pytest.mark.parametrize(
    ("word", "lemma", "rule"),
    [
        ("dogs", "dog", "↓0;0¦¦1¦"),
        ("running", "run", "↓0;0¦¦4¦"),
        ("studies", "study", "↓0;0¦¦3¦y"),
        ("The", "the", "↓0;0¦¦0¦"),
        ("anna", "Anna", "↑0¦↓1;0¦¦0¦"),
        ("Usa", "USA", "↑0;0¦¦0¦"),
        ("gegangen", "gehen", "↓0;3¦¦4¦hen"),
        ("went", "go", ";=go"),
        ("北京", "北京", "↓0;0¦¦0¦"),
        ("¦s", "¦", "↓0;0¦¦1¦"),
        ("_", "_", "↓0;0¦¦0¦"),
        ("a-b", "a¦b", ";=a¦b"),
    ],
)
def test_rules(word, lemma, rule):
    found = lemma_rule(word, lemma)
    assert apply_rule(word, found) == lemma
    if word != "gegangen":  # of two longest common parts, ge and en, either may be kept
        assert found == rule


def test_one_rule_serves_many_words():
    rule = lemma_rule("studies", "study")
    assert [apply_rule(word, rule) for word in ("Parties", "flies", "is")] == ["party", "fly", "is"]
    assert apply_rule("PARIS", lemma_rule("London", "London")) == "Paris"


@given(st.text(), st.text())
def test_every_lemma_comes_back(word, lemma):
    assert apply_rule(word, lemma_rule(word, lemma)) == lemma


def test_labels_that_are_rules():
    assert are_rules([lemma_rule("went", "go"), lemma_rule("Dogs", "dog"), lemma_rule("anna", "Anna")])
    for others in ([], ["NOUN"], ["O", "B-x"], ["Case=Nom|Number=Sing", "_"], ["a;b"], [";x"], ["↓0;0¦¦1¦", "NOUN"]):
        assert not are_rules(others)
