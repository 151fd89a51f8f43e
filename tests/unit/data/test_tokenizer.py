"""Tokens are BERT's, their offsets index the original text, and no word is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.data.tokenizer import Tokenizer

VOCAB = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *(
        "cafe",
        "naive",
        "run",
        "##ning",
        "##s",
        "the",
        "The",
        "Café",
        "[",
        "]",
        "mask",
        "sep",
        "MASK",
        "SEP",
        ",",
        ".",
        "'",
    ),
    *("北", "京", "烤", "i", "a", "b", "ok", "##bad", "don", "t"),
]


@pytest.fixture(scope="module")
def uncased():
    return Tokenizer(VOCAB, do_lower_case=True, for_cn=False)


@pytest.fixture(scope="module")
def cased():
    return Tokenizer(VOCAB, do_lower_case=False, for_cn=False)


def pieces(tokenizer, text, **options):
    """Each piece with the part of the original text that it covers."""
    [tokens] = tokenizer.encode([text], **options)
    return [
        (tokenizer.tokens[number], text[start:end])
        for number, (start, end) in zip(tokens.ids, tokens.offsets, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Café", [("cafe", "Café")]),
        ("Cafe\u0301 the", [("cafe", "Cafe\u0301"), ("the", "the")]),
        ("NAÏVE  runnings", [("naive", "NAÏVE"), ("run", "run"), ("##ning", "ning"), ("##s", "s")]),
        ("the北京烤", [("the", "the"), ("北", "北"), ("京", "京"), ("烤", "烤")]),
        ("😀the", [("[UNK]", "😀the")]),
        ("👨‍👩‍👧 the", [("[UNK]", "👨‍👩‍👧"), ("the", "the")]),
        ("ok\x00\x01bad", [("ok", "ok"), ("##bad", "bad")]),
        ("\ufefftha\u200b the", [("[UNK]", "tha"), ("the", "the")]),
        ("the\u3000北\u00a0a\u2028b", [("the", "the"), ("北", "北"), ("a", "a"), ("b", "b")]),
        ("don't", [("don", "don"), ("'", "'"), ("t", "t")]),
        ("İ", [("i", "İ")]),
        ("", []),
        ("\u200b \x01", []),
    ],
)
def test_offsets_index_the_original_text(uncased, text, expected):
    assert pieces(uncased, text) == expected


def test_case_and_accents_stay_without_lower_case(cased):
    assert pieces(cased, "Café the The") == [("Café", "Café"), ("the", "the"), ("The", "The")]


@given(st.text(max_size=40))
def test_offsets_lie_in_the_text_and_never_go_back(text):
    [tokens] = Tokenizer(VOCAB, do_lower_case=True, for_cn=False).encode([text])
    starts, ends = [start for start, _ in tokens.offsets], [end for _, end in tokens.offsets]
    assert starts == sorted(starts)
    assert ends == sorted(ends)
    assert all(0 <= start <= end <= len(text) for start, end in tokens.offsets)


def test_special_tokens_are_never_made_of_text(uncased):
    expected = [("[", "["), ("mask", "MASK"), ("]", "]"), ("[", "["), ("sep", "SEP"), ("]", "]")]
    assert pieces(uncased, "[MASK][SEP]") == expected


def test_mask_is_special_only_when_asked(uncased):
    found = pieces(uncased, "the [MASK], [SEP]", keep_mask=True)
    assert found == [("the", "the"), ("[MASK]", "[MASK]"), (",", ","), ("[", "["), ("sep", "SEP"), ("]", "]")]


def test_a_long_word_is_one_unknown_piece(uncased):
    assert pieces(uncased, "a" * 101) == [("[UNK]", "a" * 101)]


def test_every_word_has_a_piece(uncased):
    sentence = ["the", "\u200b", "runnings", "", "北京", "x" * 200, "\x01"]
    [tokens] = uncased.encode_words([sentence])
    assert [uncased.tokens[number] for number in tokens.ids] == [
        *("the", "[UNK]", "run", "##ning", "##s", "[UNK]", "北", "京", "[UNK]", "[UNK]")
    ]
    assert tokens.words == [0, 1, 2, 2, 2, 3, 4, 4, 5, 6]


@given(st.lists(st.text(max_size=6), max_size=6))
def test_no_word_is_ever_lost(words):
    [tokens] = Tokenizer(VOCAB, do_lower_case=True, for_cn=False).encode_words([words])
    assert sorted(set(tokens.words)) == list(range(len(words)))
    assert tokens.words == sorted(tokens.words)
    assert len(tokens.ids) == len(tokens.words)


def test_ids_alone_are_the_same_ids(uncased):
    texts = ["The runnings", "北京", ""]
    assert (
        uncased.encode_ids(texts) == [tokens.ids for tokens in uncased.encode(texts)] == [[10, 7, 8, 9], [22, 23], []]
    )


def test_decode_joins_pieces_and_leaves_specials_out(uncased):
    assert uncased.decode([2, 10, 7, 8, 9, 3, 0]) == "the runnings"


def test_decode_of_chinese_has_no_blanks():
    assert Tokenizer(VOCAB, do_lower_case=True, for_cn=True).decode([2, 22, 23, 3]) == "北京"


@pytest.mark.parametrize(
    ("settings", "text", "expected"),
    [
        ({"do_lower_case": True, "strip_accents": False}, "CAFÉ", ["[UNK]"]),
        ({"do_lower_case": False, "strip_accents": True}, "cafés", ["cafe", "##s"]),
        ({"do_lower_case": True, "tokenize_chinese_chars": False}, "北京 烤", ["[UNK]", "烤"]),
    ],
)
def test_settings_of_the_tokenizer(settings, text, expected):
    tokenizer = Tokenizer(VOCAB, for_cn=False, **settings)
    assert [tokenizer.tokens[number] for number in tokenizer.encode_ids([text])[0]] == expected


def test_offsets_of_accents_that_are_removed_without_lower_case():
    tokenizer = Tokenizer(VOCAB, do_lower_case=False, strip_accents=True, for_cn=False)
    assert pieces(tokenizer, "cafe\u0301 the") == [("cafe", "cafe\u0301"), ("the", "the")]


@pytest.mark.parametrize("strip_accents", [None, True, False])
@pytest.mark.parametrize("chinese", [True, False])
def test_a_saved_tokenizer_is_the_same(tmp_path, strip_accents, chinese):
    vocab = [*VOCAB, "", "末"]
    made = Tokenizer(
        vocab, do_lower_case=True, for_cn=True, strip_accents=strip_accents, tokenize_chinese_chars=chinese
    )
    made.save(tmp_path)
    loaded = Tokenizer.from_file(tmp_path / "vocab.txt", for_cn=True)
    assert loaded.fingerprint == made.fingerprint
    assert loaded.tokens == tuple(vocab)
    assert loaded.encode_ids(["Café 北京末"]) == made.encode_ids(["Café 北京末"])


def test_settings_make_another_fingerprint():
    variants = [{}, {"strip_accents": False}, {"tokenize_chinese_chars": False}]
    assert len({Tokenizer(VOCAB, do_lower_case=True, for_cn=False, **keys).fingerprint for keys in variants}) == 3
    default = Tokenizer(VOCAB, do_lower_case=True, for_cn=False)
    assert Tokenizer(VOCAB, do_lower_case=True, for_cn=False, strip_accents=True).fingerprint == default.fingerprint


def test_a_token_behind_an_empty_line_keeps_its_id():
    tokenizer = Tokenizer([*VOCAB, "", "末"], do_lower_case=True, for_cn=False)
    assert tokenizer.encode_ids(["末"]) == [[len(VOCAB) + 1]]
    assert tokenizer.vocab_size == len(VOCAB) + 2


def test_ids_of_special_tokens(uncased):
    found = (uncased.pad_id, uncased.unk_id, uncased.cls_id, uncased.sep_id, uncased.mask_id)
    assert found == (0, 1, 2, 3, 4)
    assert uncased.vocab_size == len(VOCAB)


def test_the_same_pieces_as_transformers(minilm):
    transformers = pytest.importorskip("transformers")
    reference = transformers.BertTokenizer(str(minilm / "vocab.txt"), do_lower_case=True)
    ours = Tokenizer.from_file(minilm / "vocab.txt", do_lower_case=True, for_cn=False)
    texts = [
        "Dr. Müller's café — naïve résumé!",
        "北京烤鸭 costs $3.50",
        "한국어 ไทย العربية",
        "http://a.b/c?d=e#f",
        "e\u0301\x00\ufffd ok",
    ]
    for keys in ({}, {"strip_accents": False}, {"tokenize_chinese_chars": False}):
        other = transformers.BertTokenizer(str(minilm / "vocab.txt"), do_lower_case=True, **keys)
        mine = Tokenizer(ours.tokens, do_lower_case=True, for_cn=False, **keys)
        assert mine.encode_ids(texts) == [other(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert ours.encode_ids(texts) == [reference(text, add_special_tokens=False)["input_ids"] for text in texts]


def test_texts_inside_a_sequence_see_the_blank_before_them(small_tokenizers):
    """`Tokenizer.encode_inside`: a blank becomes part of the first token, and none is added where there is none."""
    marks = {"xlm-r": "▁", "deberta-v3": "▁", "llama": "▁", "roberta": "Ġ", "modernbert": "Ġ", "bert": ""}
    for kind, mark in marks.items():
        tokenizer = Tokenizer.from_folder(small_tokenizers[kind])
        for after_blank in (True, False):
            (found,) = tokenizer.encode_inside(["fish"], after_blank=after_blank)
            joined = "".join(tokenizer.tokens[number] for number in found)
            assert joined == f"{mark if after_blank else ''}fish", kind
