"""Heads under PALM 2's names, and what importing them costs."""

import subprocess
import sys

import pytest

from palm.api import heads
from palm.errors import ConfigError, RegistryError
from palm.paradigm.base import PARADIGMS

HEADS = {
    "cls": heads.Classify(3, 32, 0.2),
    "match": heads.Match(2, 32, 0.2),
    "mrc": heads.MRC(64, 32, 0.2),
    "seq_label": heads.SequenceLabel(3, 32, 0.2),
    "mlm": heads.MaskLM(32, 100, "gelu", 0.2),
}


@pytest.mark.parametrize("paradigm", HEADS)
def test_every_built_in_paradigm_has_its_palm_2_name(paradigm):
    made = HEADS[paradigm]

    assert made.name == paradigm
    assert isinstance(made.config, PARADIGMS[paradigm].Config)
    assert made.config.dropout_prob == 0.2


def test_a_head_has_no_dropout_unless_it_is_told_to_as_in_palm_2():
    assert heads.Classify(3, 32).config.dropout_prob == 0.0


def test_the_settings_of_a_head_reach_its_paradigm():
    made = heads.MRC(64, 32, with_negative=True, max_ans_len=7, n_best_size=3, null_score_diff_threshold=-1.5)

    assert made.config.model_dump(exclude={"layers", "sharing", "sharing_layers", "sharing_size"}) == {
        "dropout_prob": 0.0, "initializer_range": 0.02, "for_cn": False, "max_answer_len": 7, "n_best_size": 3,
        "with_negative": True, "null_score_diff_threshold": -1.5,
    }  # fmt: skip


def test_wrong_settings_are_refused_by_the_names_that_were_written():
    with pytest.raises(
        ConfigError, match=r"palm\.head\.Classify: num_classes is a whole number, at least 1\. Found `0`"
    ):
        heads.Classify(0, 32)


def test_a_head_for_another_width_is_refused():
    with pytest.raises(ConfigError, match=r"input_dim is the width of the encoder\. Found 32 over an encoder 384 wide"):
        HEADS["cls"].check_fits(384)


def test_an_unregistered_paradigm_is_refused():
    with pytest.raises(RegistryError, match=r"unknown paradigm `clss`\. Did you mean `cls`"):
        heads.RegisteredHead("clss")


def test_importing_heads_schedules_and_metrics_does_not_import_paddle():
    code = "import palm, sys; palm.head, palm.metric, palm.lr_sched, palm.optimizer; sys.exit('paddle' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_arguments_by_place_are_in_the_order_of_palm_2():
    assert heads.Classify(3, 32, 0.1, 0.5, "predict").config.initializer_range == 0.5
    pairwise = heads.Match(2, 32, 0.1, 0.5, "pairwise", 0.25, "predict")
    assert (pairwise.name, pairwise.config.margin, pairwise.phase) == ("pairwise_match", 0.25, "predict")
    tagger = heads.SequenceLabel(3, 32, 0.1, 1e-3, 0.5, "predict")
    assert (tagger.config.dropout_prob, tagger.config.initializer_range, tagger.phase) == (0.1, 0.5, "predict")
    answers = heads.MRC(64, 32, "out", True, True, True, 12, -1.5, 3, "predict")
    assert str(answers.pred_output_path) == "out"
    keys = answers.config.model_dump(
        include={"with_negative", "max_answer_len", "null_score_diff_threshold", "n_best_size"}
    )
    assert keys == {"with_negative": True, "max_answer_len": 12, "null_score_diff_threshold": -1.5, "n_best_size": 3}
    assert heads.MaskLM(32, 100, "gelu", 0.1, 0.5, "predict").config.initializer_range == 0.5


def test_a_number_in_the_third_place_of_mrc_stays_the_dropout():
    made = heads.MRC(64, 32, 0.2)
    assert (made.config.dropout_prob, made.pred_output_path, made.config.max_answer_len) == (0.2, None, 30)


def test_what_a_head_takes_and_gives_in_the_form_of_palm_2():
    made = heads.Classify(3, 32)
    assert made.inputs_attrs == {
        "reader": {"label_ids": [[-1], "int64"]},
        "backbone": {"sentence_embedding": [[-1, -1], "float32"]},
    }
    assert made.outputs_attr == made.outputs_attrs == {"loss": [[1], "float32"]}
    predicting = heads.Classify(3, 32, phase="predict")
    assert predicting.inputs_attrs["reader"] == {}
    assert predicting.outputs_attr == {"logits": [[-1, -1], "float32"]}


def test_an_unknown_strategy_is_refused():
    with pytest.raises(
        ConfigError, match=r"palm\.head\.Match: learning_strategy is `pointwise` or `pairwise`\. Found `list`"
    ):
        heads.Match(2, 32, learning_strategy="list")
