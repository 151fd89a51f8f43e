"""What does not go with a prompt is one clear message, before anything is read or built."""

import pytest

from palm.config.resolve import load_run_configs
from palm.errors import ConfigError
from tests.integration import tiny

SOFT = "{'soft'}{'text': 'text_a'}{'mask'}"
OPTIONS = "{'options'}{'text': 'text_a'}"
PREFIX = "{'prefix': None, 'length': 3}{'text': 'text_a'}{'mask'}"
WORDS = {"water": "鱼", "air": "鸟"}
DEBERTA = {"backbone": "deberta", "relative_attention": True, "pos_att_type": "p2c|c2p"}


def task(folder, prompt="{'text': 'text_a'}{'mask'}", **keys):
    made = tiny.classification_task(folder, "水", 8, chinese=True)
    return {**made, "reader": "prompt", "paradigm": "prompt", "prompt": prompt, "label_words": WORDS, **keys}


def problems(folder, made, others=None, **keys):
    config = tiny.config(folder, {**(others or {}), "水": made}, **keys)
    with pytest.raises(ConfigError) as caught:
        load_run_configs(config, wiring=True)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("prompt", "keys", "of_run", "message"),
    [
        (SOFT, {"paradigm": "cls"}, {}, "Found 1 soft vector, and paradigm `cls`, which does not read them. Use para"),
        (PREFIX, {"paradigm": "cls"}, {}, "Found a prefix of 3 vectors, and paradigm `cls`"),
        (OPTIONS, {"paradigm": "choice"}, {}, "Found options, and paradigm `choice`, which does not read them."),
        (OPTIONS, {}, {}, "a prompt with options has no mask for words to be read off."),
        (
            SOFT,
            {"verbalizer": "none"},
            {},
            "`verbalizer: none` chooses one of the options of a prompt. Found a prompt w",
        ),
        (
            PREFIX,
            {},
            DEBERTA,
            "a prefix is keys and values of attention, which not every encoder takes. Found backbone",
        ),
        (PREFIX, {}, {"backbone": "modernbert"}, "Found backbone `modernbert`, which does not. Use soft vectors"),
        (PREFIX, {"sharing": "lora"}, {}, "of which a head has one. Found sharing: lora as well."),
        (SOFT, {"verbalizer": "masked", "label_words": {"water": "鱼河", "air": "鸟"}}, {}, "a word of 2 for `water`"),
        ("{'text'}", {}, {}, "`text` must be a column"),
        ("红" * 30, {}, {}, "Found 33 tokens of the prompt and special ones, and max_seq_len: 24."),
        (
            "{'hard': '红', 'position': 24}{'mask'}",
            {},
            {},
            "positions are below max_seq_len, 24. Found `position`: 24.",
        ),
        ("红{'mask'}", {"freeze_plm": True}, {}, "only prompt parameters train, such as soft vectors"),
        (SOFT, {"label_kind": "several", "verbalizer": "masked"}, {}, "for label_kind: several use soft or manual"),
        (OPTIONS, {"label_kind": "several", "verbalizer": "none"}, {}, "found label_kind: several. Use a mask."),
    ],
)
def test_one_message(tmp_path, prompt, keys, of_run, message):
    (said,) = problems(tmp_path, task(tmp_path, prompt, **keys), **of_run)
    assert message in said
    assert "tasks.水" in said


def test_a_paradigm_for_prompts_needs_a_template(tmp_path):
    made = {**tiny.classification_task(tmp_path, "水", 8), "paradigm": "prompt"}
    (said,) = problems(tmp_path, made)
    assert said == (
        "config.tasks.水.reader: paradigm `prompt` answers the template of a reader that has one. Found reader `cls`, "
        "which has none. Use reader: prompt."
    )


def test_a_template_of_text_is_for_every_paradigm_of_texts(tmp_path):
    config = tiny.config(tmp_path, {"水": task(tmp_path, "{'text': 'text_a'}很{'mask'}", paradigm="cls")})
    assert load_run_configs(config, wiring=True)


def test_a_prompt_shares_the_head_of_a_masked_language_model(tmp_path):
    words = {"words": {**tiny.mlm_task(tmp_path, "words"), "target": False}}
    shared = {"share_head_with": "words"}
    assert load_run_configs(tiny.config(tmp_path, {**words, "水": task(tmp_path, **shared)}), wiring=True)
    for prompt, keys in ((SOFT, {}), (PREFIX, {}), ("红{'mask'}", {"verbalizer": "soft"})):
        (said,) = problems(tmp_path, task(tmp_path, prompt, **shared, **keys), words)
        assert "need the same paradigm. `words` has `mlm`, `水` has `prompt`." in said
        assert said.endswith("verbalizer manual or masked, and neither soft vectors nor a prefix.")
    said = problems(tmp_path, task(tmp_path, **shared, ppt_learning_rate=0.1), words)
    assert any("a shared head has one ppt_learning_rate. Found None (`words`) and 0.1 (`水`)." in each for each in said)
