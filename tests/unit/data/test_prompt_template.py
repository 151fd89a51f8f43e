"""Parts of a template are checked, and those that are missing are added."""

import pytest

from palm.data.prompt_template import DEFAULT_PROMPT, parse_template


def kinds(prompt: str, *, soft: bool = False) -> list[tuple[str, str]]:
    return [(part.kind, part.text) for part in parse_template(prompt, soft=soft).parts]


def test_the_default_prompt() -> None:
    assert kinds(DEFAULT_PROMPT) == [("soft", ""), ("text", "text_a"), ("mask", "")]


def test_a_text_is_put_in_front_and_a_mask_at_the_end() -> None:
    assert kinds("这条新闻标题的主题是") == [("text", "text_a"), ("hard", "这条新闻标题的主题是"), ("mask", "")]
    assert kinds("{'mask'}好") == [("text", "text_a"), ("mask", ""), ("hard", "好")]
    assert kinds("{'text': 'text_b'}是") == [("text", "text_b"), ("hard", "是"), ("mask", "")]
    assert kinds("{'prefix': None}是")[:2] == [("prefix", ""), ("text", "text_a")]
    assert kinds("{'options'}") == [("text", "text_a"), ("options", "[OPT]")]


def test_the_words_of_a_soft_prompt_are_soft() -> None:
    assert kinds("这条{'hard': '新闻'}", soft=True) == [
        ("text", "text_a"),
        ("soft", "这条"),
        ("soft", "新闻"),
        ("mask", ""),
    ]


def test_columns_in_order() -> None:
    template = parse_template("{'text': 'text_b'}{'text': 'keywords'}{'text': 'text_b'}{'mask'}", soft=False)
    assert template.columns == ("text_b", "keywords")
    assert (template.options, template.prefix) == (None, None)


def test_attributes() -> None:
    soft, prefix, options = (
        "{'soft': '请判断', 'length': 15, 'encoder': 'mlp', 'hidden_size': 9,"
        " 'soft_id': 1, 'duplicate': 3, 'same': True}",
        "{'prefix': '前缀', 'length': 4, 'prefix_dropout': 0.2}",
        "{'options': ['好', '坏'], 'add_prompt': '这是[OPT]的'}",
    )
    part = parse_template(soft, soft=False).parts[1]
    found = (part.text, part.length, part.encoder, part.hidden_size, part.soft_id, part.duplicate, part.same)
    assert found == ("请判断", 15, "mlp", 9, 1, 3, True)
    prefixed = parse_template(prefix, soft=False).prefix
    assert prefixed is not None
    assert (prefixed.text, prefixed.length, prefixed.prefix_dropout, prefixed.encoder) == ("前缀", 4, 0.2, None)
    candidates = parse_template(options, soft=False).options
    assert candidates is not None
    assert (candidates.options, candidates.text) == (("好", "坏"), "这是[OPT]的")
    assert parse_template("{'soft', 'encoder': None}", soft=False).parts[1].encoder == "none"


def test_a_segment_holds_for_the_parts_that_follow() -> None:
    prompt = "{'text': 'text_a'}{'sep': None, 'token_type': 1}{'text': 'text_b'}是{'mask', 'token_type': 0}吗"
    assert [part.token_type for part in parse_template(prompt, soft=False).parts] == [0, 1, 1, 1, 0, 0]


def test_texts_are_cut_and_nothing_else_unless_it_says_so() -> None:
    prompt = "{'text': 'text_a'}a{'hard': 'b', 'truncate': True}{'text': 'text_b', 'shortenable': False}{'mask'}"
    assert [part.truncate for part in parse_template(prompt, soft=False).parts] == [True, False, True, False, False]


def test_blanks_around_words_are_one_blank_before_what_follows() -> None:
    parts = parse_template(
        "{'text': 'text_a'}  It  was \t{'mask'} {'text': 'text_b'}.\u3000{'hard': ' '}{'sep'}", soft=False
    )
    assert [(part.kind, part.text, part.after_blank) for part in parts.parts] == [
        ("text", "text_a", False),
        ("hard", "It  was", True),
        ("mask", "", True),
        ("text", "text_b", True),
        ("hard", ".", False),
        ("sep", "", True),
    ]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("好{'masks'}", "character 2: the keys here are .*found `masks`. Did you mean `mask`?"),
        ("{'mask', 'lenght': 2}", "character 1: the keys here are mask, length, .*Did you mean `length`?"),
        ("{'text': 'a', 'length': 2}", "found `length`"),
        ("{'lenght': 2}", "the keys here are text, .*Did you mean `length`?"),
        ("{'mask', 'sep'}", "a part has one of .*, found `mask` and `sep`"),
        ("{'length': 2}", "a part has one of .*, found none"),
        ("{'text'}", "`text` must be a column, found nothing"),
        ("{'text': 3}", "`text` must be a column, found `3`"),
        ("{'hard': None}", "`hard` must be text"),
        ("{'mask', 'length': 0}", "`length` must be a whole number from 1 to 10000, found `0`"),
        ("{'mask', 'length': True}", "`length` must be a whole number"),
        ("{'mask', 'length': 2.0}", "`length` must be a whole number"),
        ("{'mask', 'token_type': 2}", "`token_type` must be a whole number from 0 to 1"),
        ("{'mask', 'position': -1}", "`position` must be a whole number"),
        ("{'text': 'a', 'truncate': 1}", "`truncate` must be True or False"),
        ("{'soft', 'encoder': 'gru'}", "`encoder` must be one of none, lstm, mlp, found `'gru'`"),
        ("{'soft': 7}", "`soft` must be words"),
        ("{'soft_id': None}", "`soft_id` must be a number or a name"),
        ("{'prefix', 'prefix_dropout': 1}", "`prefix_dropout` must be a number from 0 to below 1"),
        ("好{'prefix'}", "character 2: a prefix must be the first part"),
        ("{'prefix'}{'prefix'}", "a prompt has one part `prefix`"),
        ("{'options'}{'mask'}", "character 12: a prompt with options is answered at its first token, found a mask"),
        ("{'options'}{'options'}", "a prompt has one part `options`"),
        ("{'options', 'add_prompt': '好'}", r"`add_prompt` must be a text with \[OPT\]"),
        ("{'options', 'add_omask': True}", "`add_omask` must be False"),
        ("{'options': ['好']}", "`options` must be two labels or more"),
        ("{'options': 'candidates'}", "`options` must be a file .*the reader choice"),
        ("It was [MASK].", r"character 8: `\[MASK\]` in free text is no mask. Write {'mask'}"),
        ("{'text': 'text_a'", "character 1: a brace must be closed"),
    ],
)
def test_what_is_wrong_is_refused_at_its_character(prompt: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_template(prompt, soft=False)
