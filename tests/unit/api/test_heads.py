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


def test_a_paradigm_that_nobody_registered_is_refused():
    with pytest.raises(RegistryError, match=r"unknown paradigm `clss`\. Did you mean `cls`"):
        heads.RegisteredHead("clss")


def test_importing_heads_schedules_and_metrics_does_not_import_paddle():
    code = "import palm, sys; palm.head, palm.metric, palm.lr_sched, palm.optimizer; sys.exit('paddle' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
