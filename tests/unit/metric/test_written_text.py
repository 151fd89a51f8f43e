"""Metrics of written texts: those of sacrebleu and rouge-score, and the advice where these are not installed."""

import math
import sys

import pytest

from palm.errors import ConfigError
from palm.metric import METRICS, lower_is_better

ENGLISH = (["the cat sat on the mat", "a film"], ["the cat is on the mat", "a good film"])
CHINESE = (["红鱼在河里游", "蓝鸟在天上"], ["红鱼在大河里游", "蓝鸟在天上飞"])


def compute(name, texts, targets):
    found = METRICS[name]([{"text": text} for text in texts], [{"target": target} for target in targets])
    [(key, value)] = found.items()
    assert key == name
    return value


@pytest.mark.parametrize(("texts", "tokenize"), [(ENGLISH, "13a"), (CHINESE, "zh")])
def test_bleu_and_chrf_are_those_of_sacrebleu(texts, tokenize):
    sacrebleu = pytest.importorskip("sacrebleu", reason="needs sacrebleu: pip install .[seq2seq]")
    written, targets = texts
    expected = sacrebleu.BLEU(tokenize=tokenize).corpus_score(written, [targets]).score
    assert expected > 10
    assert compute("bleu", *texts) == pytest.approx(expected / 100)
    assert compute("chrf", *texts) == pytest.approx(sacrebleu.CHRF().corpus_score(written, [targets]).score / 100)


def test_rouge_is_that_of_rouge_score():
    rouge = pytest.importorskip("rouge_score.rouge_scorer", reason="needs rouge-score: pip install .[seq2seq]")
    scorer = rouge.RougeScorer(["rouge1", "rouge2", "rougeL"])
    for name, kind in (("rouge1", "rouge1"), ("rouge2", "rouge2"), ("rouge_l", "rougeL")):
        scores = [scorer.score(target, text)[kind].fmeasure for text, target in zip(*ENGLISH, strict=True)]
        assert compute(name, *ENGLISH) == pytest.approx(sum(scores) / 2)


def test_rouge_of_chinese_counts_characters():
    """Of 6 and 5 characters all are among the 7 and 6 of the targets, in their order."""
    pytest.importorskip("rouge_score", reason="needs rouge-score: pip install .[seq2seq]")
    assert compute("rouge_l", *CHINESE) == pytest.approx((12 / 13 + 10 / 11) / 2)
    assert compute("rouge1", *CHINESE) == pytest.approx((12 / 13 + 10 / 11) / 2)


@pytest.mark.parametrize(
    ("name", "package"), [("bleu", "sacrebleu"), ("chrf", "sacrebleu"), ("rouge_l", "rouge_score.rouge_scorer")]
)
def test_a_package_that_is_not_installed(monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"Found none .* Install it: pip install 'paddle-palm\[seq2seq\]'"):
        METRICS[name]([], [])


def test_exact_match_goes_by_what_the_vocabulary_can_write():
    predictions = [{"text": "the cat", "gold_text": "the cat"}, {"text": "猫", "gold_text": "狗"}, {"text": "A"}]
    records = [{"target": "The Cat"}, {"target": "狗"}, {"target": "A"}]
    assert METRICS["exact_match"](predictions, records) == {"exact_match": pytest.approx(2 / 3)}


def test_teacher_forcing():
    rows = [
        {"gold_tokens": 3, "right_tokens": 2, "log_prob": math.log(0.5) * 3},
        {"gold_tokens": 1, "right_tokens": 1, "log_prob": math.log(0.25)},
    ]
    found = METRICS["teacher_forcing"](rows, [{}, {}])
    assert found == {"target_accuracy": 0.75, "perplexity": pytest.approx(32**0.25)}
    endless = [{"gold_tokens": 1, "right_tokens": 0, "log_prob": -math.inf}]
    assert METRICS["teacher_forcing"](endless, [{}])["perplexity"] == math.inf


def test_which_metrics_fall():
    assert [
        name for name in ("loss", "perplexity", "译.perplexity", "bleu", "a.loss") if not lower_is_better(name)
    ] == ["bleu"]


@pytest.mark.parametrize("name", ["exact_match", "teacher_forcing"])
def test_no_rows(name):
    assert all(value >= 0 for value in METRICS[name]([], []).values())
