"""Sequences of a template: worked out by hand, and of any length with the whole prompt and all masks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm.data.prompt_encoding import PromptEncoding, PromptSequence, PromptSettings, fit_lengths
from palm.data.prompt_form import PromptForm, SoftGroup
from palm.data.prompt_template import parse_template
from palm.data.sequences import fit_pair
from palm.data.tokenizer import Tokenizer

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"我爱北京你好在哪里是这的",
    "the",
    "cat",
    "it",
    "was",
    "good",
    ".",
]
TOKENIZER = Tokenizer(PIECES, do_lower_case=True, for_cn=False)


def ids(pieces: str) -> list[int]:
    return [PIECES.index(piece) for piece in pieces.split()]


def encoding(prompt: str, *, soft: bool = False, length: int = 32, **keys: object) -> PromptEncoding:
    return PromptEncoding(parse_template(prompt, soft=soft), TOKENIZER, PromptSettings(length, **keys))  # type: ignore[arg-type]


def sequence(found: PromptEncoding, option: str | None = None, **texts: str) -> PromptSequence:
    options = [[]] if option is None else found.encode_options([option])
    made = found.sequence(found.encode_texts({name: [text] for name, text in texts.items()})[0], options[0])
    assert made is not None
    return made


def test_a_hard_prompt() -> None:
    found = sequence(encoding("{'text': 'text_a'} It was {'mask', 'length': 2}."), text_a="我爱 the cat")
    assert found.token_ids == ids("[CLS] 我 爱 the cat it was [MASK] [MASK] . [SEP]")
    assert found.mask_positions == [7, 8]
    assert found.soft_ids == found.segment_ids == [0] * 11
    assert found.position_ids == list(range(11))
    assert found.num_cut == 0


def test_a_soft_prompt_starts_from_its_words() -> None:
    made = encoding("这是", soft=True, hidden_size=7)
    found = sequence(made, text_a="你好")
    assert found.token_ids == ids("[CLS] 你 好 这 是 [MASK] [SEP]")
    assert found.soft_ids == [0, 0, 0, 1, 2, 0, 0]
    words = (((3,),), ((4, 5), (6,)))
    assert made.form(words) == PromptForm(tuple(ids("这 是")), (SoftGroup("lstm", 7, (1, 2)),), 1, words)


def test_a_template_described_for_programs_without_palm() -> None:
    made = encoding(
        "{'soft': '这'}{'text': 'text_a'} It{'mask', 'length': 2, 'token_type': 1, 'position': 9}", hidden_size=7
    )
    usual = {"column": None, "option": None, "is_mask": False, "is_cut": False, "segment": 0, "position": None}
    first = {"ids": ids("这"), "soft_ids": [1], "follows": False, "after_blank": False}
    text = {"ids": [], "soft_ids": [], "follows": False, "after_blank": False, "column": "text_a", "is_cut": True}
    fixed = {"ids": ids("it"), "soft_ids": [0], "follows": True, "after_blank": True}
    mask = {"ids": ids("[MASK] [MASK]"), "soft_ids": [0, 0], "follows": True, "after_blank": False}
    mask |= {"is_mask": True, "segment": 1, "position": 9}
    assert made.described() == [usual | first, usual | text, usual | fixed, usual | mask]
    [_, options] = encoding("{'text': 'text_a'}{'options': ['好', '你'], 'add_prompt': '这是[OPT]'}").described()
    assert (options["option"], options["ids"]) == ("这是[OPT]", [])


def test_soft_vectors_are_numbered_in_order_and_grouped_by_encoder() -> None:
    made = encoding(
        "{'soft': '这', 'length': 3, 'encoder': 'mlp', 'hidden_size': 5, 'soft_id': 1}{'text': 'text_a'}"
        "{'soft'}{'soft_id': 1}{'soft': '好', 'duplicate': 2, 'same': True}"
        "{'soft': '你', 'duplicate': 2, 'encoder': 'none'}{'mask'}"
    )
    found = sequence(made, text_a="我")
    assert found.soft_ids == [0, 1, 2, 3, 0, 4, 1, 2, 3, 5, 5, 6, 7, 0, 0]
    start = ids("这")[0]
    assert found.token_ids[1:4] == ids("这 我 我")  # the first token that is not special
    form = made.form(())
    assert form.soft_starts == (start, None, None, None, *ids("好 你 你"))
    assert form.soft_groups == (
        SoftGroup("mlp", 5, (1, 2, 3)),
        SoftGroup("lstm", 200, (4, 5)),
        SoftGroup("none", 0, (6, 7)),
    )


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (
            "{'soft': '这是', 'length': 1}",
            "character 1: `length` must be at least the number of tokens of the words, 2",
        ),
        ("{'soft', 'length': 2, 'soft_id': 1}{'soft_id': 1, 'length': 3}", "shares its 2 vectors, found other keys"),
    ],
)
def test_vectors_that_contradict_each_other(prompt: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encoding(prompt)


def test_a_prefix_stands_before_every_layer_and_not_in_the_sequence() -> None:
    made = encoding("{'prefix': '这是', 'length': 4, 'hidden_size': 9, 'prefix_dropout': 0.3}")
    assert sequence(made, text_a="我").token_ids == ids("[CLS] 我 [MASK] [SEP]")
    form = made.form(())
    assert (form.prefix_length, form.prefix_encoder, form.prefix_hidden_size, form.prefix_dropout) == (4, "mlp", 9, 0.3)
    plain = encoding("{'prefix', 'encoder': None}").form(())
    assert (plain.prefix_length, plain.prefix_encoder, plain.prefix_hidden_size) == (1, "none", 0)


def test_segments_and_positions() -> None:
    prompt = "{'text': 'text_a'}{'sep': None, 'token_type': 1}{'text': 'text_b', 'position': 9}{'mask'}"
    found = sequence(encoding(prompt), text_a="我爱", text_b="你")
    assert found.token_ids == ids("[CLS] 我 爱 [SEP] 你 [MASK] [SEP]")
    assert found.segment_ids == [0, 0, 0, 1, 1, 1, 1]
    assert found.position_ids == [0, 1, 2, 3, 9, 10, 11]


def test_options() -> None:
    made = encoding("{'text': 'text_a'}{'sep'}{'options', 'add_prompt': '是[OPT]的'}", length=9)
    assert sequence(made, "好", text_a="我爱北京").token_ids == ids("[CLS] 我 爱 北 京 [SEP] 是 好 的 [SEP]")[:4] + ids(
        "[SEP] 是 好 的 [SEP]"
    )
    assert sequence(made, "你好", text_a="我爱北京").token_ids == ids("[CLS] 我 爱 [SEP] 是 你 好 的 [SEP]")


def test_the_longer_text_is_cut_at_the_tail_or_the_head() -> None:
    prompt = "{'text': 'text_a'}是{'text': 'text_b'}{'mask'}"  # 4 tokens besides the texts
    texts = {"text_a": "我爱北京", "text_b": "你好"}
    tail = sequence(encoding(prompt, length=8), **texts)
    assert tail.token_ids == ids("[CLS] 我 爱 是 你 好 [MASK] [SEP]")
    assert (tail.num_cut, tail.mask_positions) == (2, [6])
    head = sequence(encoding(prompt, length=8, truncate_mode="head"), **texts)
    assert head.token_ids == ids("[CLS] 北 京 是 你 好 [MASK] [SEP]")


def test_texts_are_cut_to_lengths_of_their_own() -> None:
    prompt = "{'text': 'text_a'}是{'text': 'text_b'}{'mask'}"
    keys = {"truncate_mode": "manual", "first_max_length": 3, "other_max_length": 1}
    texts = {"text_a": "我爱北京", "text_b": "你好"}
    assert sequence(encoding(prompt, **keys), **texts).token_ids == ids("[CLS] 我 爱 北 是 你 [MASK] [SEP]")
    assert sequence(encoding(prompt, length=6, **keys), **texts).token_ids == ids("[CLS] 我 是 你 [MASK] [SEP]")
    assert sequence(encoding(prompt, truncate_mode="manual"), **texts).num_cut == 0


def test_a_text_that_is_not_cut_may_leave_no_room() -> None:
    made = encoding("{'text': 'text_a', 'truncate': False}{'text': 'text_b'}{'mask'}", length=7)
    texts = made.encode_texts({"text_a": ["我爱北", "我爱北京"], "text_b": ["你好", "你好"]})
    first = made.sequence(texts[0])
    assert first is not None
    assert first.token_ids == ids("[CLS] 我 爱 北 你 [MASK] [SEP]")
    assert made.sequence(texts[1]) is None
    assert encoding("这是", length=5).room == 0


def test_lengths_as_for_a_pair() -> None:
    for first in range(8):
        for second in range(8):
            for room in range(15):
                assert fit_lengths([first, second], room) == list(fit_pair(first, second, room=room))
    assert fit_lengths([9, 2, 7], 10) == [4, 2, 4]
    assert fit_lengths([9, 9, 9], 8) == [3, 3, 2]
    assert fit_lengths([], 3) == []


_PROMPTS = (
    ("这{'text': 'text_a'}是{'mask', 'length': 2}的", ids("这"), ids("是 [MASK] [MASK] 的")),
    ("{'soft': '你', 'length': 2}{'text': 'text_a'} it was {'mask'}.", ids("你 我"), ids("it was [MASK] .")),
)


@pytest.mark.parametrize(("prompt", "before", "behind"), _PROMPTS)
@pytest.mark.parametrize("mode", ["tail", "head", "manual"])
@settings(max_examples=60)
@given(text=st.text(alphabet="我爱北京 thecat.\u200b", max_size=40), more=st.integers(1, 30))
def test_the_prompt_and_its_masks_are_never_cut(
    prompt: str, before: list[int], behind: list[int], mode: str, text: str, more: int
) -> None:
    limit = 2 + len(before) + len(behind) + more
    made = encoding(prompt, length=limit, truncate_mode=mode, first_max_length=3)
    found = sequence(made, text_a=text)
    assert len(found.token_ids) <= limit
    assert found.token_ids[: len(before) + 1] == [*ids("[CLS]"), *before]
    assert found.token_ids[-len(behind) - 1 :] == [*behind, *ids("[SEP]")]
    mask = PIECES.index("[MASK]")
    assert found.mask_positions == [place for place, number in enumerate(found.token_ids) if number == mask]
    whole = TOKENIZER.encode_ids([text])[0]
    kept = found.token_ids[len(before) + 1 : -len(behind) - 1]
    wanted = min(len(whole), more, 3 if mode == "manual" else more)
    assert kept == (whole[len(whole) - wanted :] if mode == "head" else whole[:wanted])
    assert found.num_cut == len(whole) - wanted


@pytest.mark.parametrize(
    ("kind", "prompt", "expected"),
    [
        ("xlm-r", "{'text': 'text_a'} The {'mask'}.", "<s>▁red▁fish▁The<mask>.</s>"),
        ("xlm-r", "{'text': 'text_a'}在{'mask'}里", "<s>▁red▁fish在<mask>里</s>"),
        ("xlm-r", "在{'text': 'text_a'}{'sep'}在{'mask'}", "<s>▁在red▁fish</s>▁在<mask></s>"),
        ("roberta", "{'text': 'text_a'} The {'mask'}.", "<s>redĠfishĠThe<mask>.</s>"),
        ("roberta", "The {'text': 'text_a'}{'mask'}", "<s>TheĠredĠfish<mask></s>"),
        ("deberta-v3", "{'text': 'text_a'} The {'mask'}.", "[CLS]▁red▁fish▁The[MASK].[SEP]"),
        ("llama", "{'text': 'text_a'} The {'mask'}.", "<s>▁red▁fish▁The<mask>.</s>"),
        ("bert", "{'text': 'text_a'} The {'mask'}.", "[CLS]redfishthe[MASK].[SEP]"),
    ],
)
def test_a_blank_belongs_to_what_follows_it(small_tokenizers, kind, prompt, expected) -> None:  # type: ignore[no-untyped-def]
    tokenizer = Tokenizer.from_folder(small_tokenizers[kind])
    made = PromptEncoding(parse_template(prompt, soft=False), tokenizer, PromptSettings(40))
    found = sequence(made, text_a="red fish")
    assert "".join(tokenizer.tokens[number] for number in found.token_ids).replace("##", "") == expected


def test_a_word_of_a_label_is_encoded_as_it_stands_at_the_mask(small_tokenizers) -> None:  # type: ignore[no-untyped-def]
    tokenizer = Tokenizer.from_folder(small_tokenizers["roberta"])

    def word(prompt: str) -> str:
        made = PromptEncoding(parse_template(prompt, soft=False), tokenizer, PromptSettings(40))
        return "".join(tokenizer.tokens[number] for number in made.word_ids(["fish"])[0])

    assert word("It was {'mask'}") == "Ġfish"
    assert word("It was{'mask'}") == word("{'mask'}{'text': 'text_a'}") == "fish"
