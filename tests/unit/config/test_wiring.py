import re
from pathlib import Path

import numpy as np
import pytest

from palm.config.resolve import load_run_configs
from palm.data.tokenizer import Tokenizer
from palm.errors import ConfigError
from palm.reader.base import READERS
from palm.reader.loading import load_dataset
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


def test_the_rate_of_a_shared_head_may_be_named_or_be_that_of_its_paradigm(tmp_path):
    tasks = {name: tiny.parse_task(tmp_path, name) for name in ("a", "b")}
    del tasks["a"]["lr_scale"]
    named = {**tasks, "b": {**tasks["b"], "lr_scale": 2}}
    found = "a shared head has one lr_scale. Found 10.0 (`a`) and 2.0 (`b`)."
    assert found in problems(tmp_path, named, task_reuse_tag="0,0")
    same = tiny.config(tmp_path, {**tasks, "b": {**tasks["b"], "lr_scale": 10}}, task_reuse_tag="0,0")
    load_run_configs(same, wiring=True)


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


@pytest.mark.parametrize(("make", "reader"), [(tiny.match_task, "match"), (tiny.mrc_task, "mrc")])
def test_pairs_need_an_encoder_of_two_segments(tmp_path, make, reader):
    said = problems(tmp_path, make(tmp_path, "p"), type_vocab_size=1)
    assert f"reader `{reader}` needs an encoder with 2 segments (type_vocab_size). Found 1." in said


def test_an_encoder_without_segments_takes_pairs(tmp_path):
    load_run_configs(tiny.config(tmp_path, {"p": tiny.match_task(tmp_path, "p")}, type_vocab_size=0), wiring=True)


def test_sequences_longer_than_usual_are_computed_with_a_warning_where_positions_are_relative(tmp_path):
    relative = {
        "backbone": "deberta",
        "relative_attention": True,
        "pos_att_type": "c2p",
        "position_biased_input": False,
    }
    for length, warned in ((64, False), (65, True)):
        task = {"a": tiny.classification_task(tmp_path, "c")}
        (config,) = load_run_configs(tiny.config(tmp_path, task, max_seq_len=length, **relative), wiring=True)
        said = [str(warning) for warning in config.warnings if "max_seq_len" in str(warning)]
        assert len(said) == warned
        assert (
            not warned or "computes sequences of any length, and knows those of up to 64 tokens. Found 65." in said[0]
        )


def test_readers_say_how_many_segments_they_make(tmp_path):
    """What a reader says is compared with what it does."""
    tokenizer = Tokenizer.from_file(tiny.write_vocab(tmp_path), do_lower_case=True, for_cn=False)
    for make in (tiny.classification_task, tiny.mlm_task, tiny.match_task, tiny.slot_task, tiny.mrc_task):
        task = make(tmp_path, "t")
        reader = READERS[task["reader"]](READERS[task["reader"]].Config(), tokenizer)
        dataset = load_dataset(reader, Path(task["train_file"]), "train")
        batch = reader.collate(dataset, np.arange(4), np.random.default_rng(0))
        assert int(batch["segment_ids"].max()) + 1 == READERS[task["reader"]].segments, task["reader"]
