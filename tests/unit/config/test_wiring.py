import re

import pytest

from palm.config.resolve import load_run_configs
from palm.errors import ConfigError
from tests.integration import tiny


def problems(folder, task, **keys):
    made = tiny.config(folder, {"任务": task} if isinstance(task, dict) and "reader" in task else task, **keys)
    with pytest.raises(ConfigError) as caught:
        load_run_configs(made, wiring=True)
    return str(caught.value)


def test_what_is_missing_is_named_with_who_needs_it_and_who_could_give_it(tmp_path):
    said = problems(tmp_path, {**tiny.classification_task(tmp_path, "c"), "paradigm": "mlm"})
    wanted = (
        "tasks.任务: paradigm `mlm` needs `mask_pos` from reader `cls`, which does not fit: no component provides it. "
        "Readers that provide it: mlm."
    )
    assert wanted in said


def test_everything_is_said_at_once(tmp_path):
    said = problems(
        tmp_path,
        {**tiny.classification_task(tmp_path, "c"), "layer": 2},
        max_seq_len=65,
        num_attention_heads=5,
        vocab_size=10,
    )
    for words in (
        "num_attention_heads must divide hidden_size. Found 32 and 5.",
        "max_seq_len is at most the backbone's max_position_embeddings. Found 65 over 64.",
        "layer is an index into 2 encoder layers. Found 2. Use -2…1.",
        "vocab_size is 10",
    ):
        assert re.search(re.escape(words), said), words


def test_labels_for_tokens_do_not_fit_a_paradigm_for_texts(tmp_path):
    said = problems(tmp_path, {**tiny.slot_task(tmp_path, "s"), "paradigm": "cls"})
    assert "`label_ids`" in said
    assert "needs int64[batch], found int64[batch seq]" in said


def test_a_shared_head_has_one_learning_rate(tmp_path):
    tasks = {
        name: {**tiny.classification_task(tmp_path, name), "lr_scale": scale} for name, scale in (("a", 1), ("b", 2))
    }
    assert "a shared head has one lr_scale. Found 1.0 (`a`) and 2.0 (`b`)." in problems(
        tmp_path, tasks, task_reuse_tag="0,0"
    )


def test_layers_to_mix_must_be_there(tmp_path):
    said = problems(tmp_path, {**tiny.classification_task(tmp_path, "c"), "layers": "0, -3, 2"})
    assert "layers are indices into 2 encoder layers. Found -3. Use -2…1." in said
    assert "Found 2. Use -2…1." in said
