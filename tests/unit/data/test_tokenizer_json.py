"""Tokenizers of each family: special tokens stay text, offsets are exact, no word is lost, files are checked."""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm.data.tokenizer import Tokenizer
from palm.data.tokenizer_json import lower_cases, read_tokenizer_json, with_lower_case
from palm.errors import ConfigError
from tests.small_tokenizers import CHINESE, ENGLISH, KINDS


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def tokenizer(kind, small_tokenizers):
    return Tokenizer.from_file(small_tokenizers[kind] / "tokenizer.json", for_cn=True)


@pytest.fixture(scope="session")
def all_kinds(small_tokenizers):
    return {name: Tokenizer.from_file(folder / "tokenizer.json") for name, folder in small_tokenizers.items()}


SPELT = ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "<s>", "</s>", "<pad>", "<mask>", "<unk>", "a</s>b", "北[SEP]京"]


@pytest.mark.parametrize("text", SPELT)
def test_special_tokens_in_text_stay_text(tokenizer, text):
    [ids] = tokenizer.encode_ids([text])
    assert not set(ids) & (tokenizer.special_ids - {tokenizer.unk_id})
    assert len(ids) >= len(text) / 3
    [words] = tokenizer.encode_words([[text, "cat"]])
    assert not set(words.ids) & (tokenizer.special_ids - {tokenizer.unk_id})


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_offsets_of_any_text(all_kinds, text):
    for name, made in all_kinds.items():
        [tokens] = made.encode([text])
        starts, ends = [start for start, _ in tokens.offsets], [end for _, end in tokens.offsets]
        assert (starts, ends) == (sorted(starts), sorted(ends)), name
        assert all(0 <= start <= end <= len(text) for start, end in tokens.offsets), name
        for start, end in tokens.offsets:
            piece = text[start:end]
            assert piece == piece.strip(), name
        assert made.encode_ids([text]) == [tokens.ids]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6), max_size=6))
def test_no_word_is_lost(all_kinds, words):
    for name, made in all_kinds.items():
        [tokens] = made.encode_words([words])
        assert sorted(set(tokens.words)) == list(range(len(words))), name
        assert tokens.words == sorted(tokens.words)
        assert len(tokens.ids) == len(tokens.words)


def test_every_letter_is_in_a_token(tokenizer):
    for text in [*ENGLISH, *CHINESE, "fi\u0301sh e\u0301", "北 京\u3000天"]:
        [tokens] = tokenizer.encode([text])
        covered = {place for start, end in tokens.offsets for place in range(start, end)}
        assert {place for place, letter in enumerate(text) if not letter.isspace()} == covered


def test_characters_as_words_have_their_own_tokens(tokenizer):
    for text in CHINESE:
        [tokens] = tokenizer.encode_words([list(text)])
        assert sorted(set(tokens.words)) == list(range(len(text)))
        if tokenizer.unk_id not in tokens.ids:
            assert tokenizer.decode(tokens.ids) in (text, unicodedata.normalize("NFKC", text))


def test_words_of_chinese_continue_each_other_without_blanks(all_kinds):
    made = all_kinds["xlm-r"]
    [tokens] = made.encode_words([["北京", "大学"]])
    assert [made.tokens[number] for number in tokens.ids] == ["▁", "北京", "大", "学"]


def test_mask_in_text_when_asked(tokenizer, kind):
    own = tokenizer.tokens[tokenizer.mask_id]
    for text in ("the [MASK] fish", f"the {own} fish"):
        [ids] = tokenizer.encode_ids([text], keep_mask=True)
        assert ids.count(tokenizer.mask_id) == 1
        assert max(ids) < tokenizer.vocab_size
    assert tokenizer.mask_id not in tokenizer.encode_ids(["the [MASK] fish"])[0]


def test_truncation_and_padding_of_the_file_are_left_out(all_kinds):
    assert len(all_kinds["xlm-r"].encode_ids([" ".join(ENGLISH)])[0]) > 8
    assert len(all_kinds["xlm-r"].encode_ids(["a"])[0]) < 8


def test_segments_follow_the_file_and_its_model(all_kinds):
    assert {name: made.pair.num_segments for name, made in all_kinds.items()} == {
        "bert": 2, "roberta": 1, "xlm-r": 1, "deberta-v3": 2, "modernbert": 1, "llama": 1,
    }  # fmt: skip
    assert [all_kinds[name].pad_id for name in ("bert", "roberta", "xlm-r", "modernbert")] == [0, 1, 1, 3]


def test_bert_is_the_same_from_either_file(small_tokenizers, tmp_path):
    """So that a run that began with vocab.txt goes on with tokenizer.json."""
    fast = Tokenizer.from_file(small_tokenizers["bert"] / "tokenizer.json")
    plain = Tokenizer(fast.tokens, do_lower_case=True, for_cn=False)
    assert fast.fingerprint == plain.fingerprint
    texts = [*ENGLISH, *CHINESE, "fi\u0301sh 北 [SEP]"]
    assert fast.encode(texts) == plain.encode(texts)
    assert fast.encode_words([text.split() for text in texts]) == plain.encode_words([text.split() for text in texts])
    assert (fast.single, fast.pair, fast.special_ids) == (plain.single, plain.pair, plain.special_ids)


def test_a_saved_tokenizer_is_the_same_bytes(small_tokenizers, kind, tmp_path):
    source = small_tokenizers[kind]
    made = Tokenizer.from_file(source / "tokenizer.json")
    assert made.save(tmp_path) == "tokenizer.json"
    assert (tmp_path / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()
    assert Tokenizer.from_folder(tmp_path).fingerprint == made.fingerprint


def test_lower_case_follows_the_file_or_the_key(small_tokenizers, kind):
    file = small_tokenizers[kind] / "tokenizer.json"
    content = read_tokenizer_json(file)
    assert lower_cases(content) is (kind == "bert")
    for lower in (True, False):
        assert lower_cases(with_lower_case(content, lower=lower)) is lower
        made = Tokenizer.from_file(file, do_lower_case=lower)
        assert made.do_lower_case is lower
        assert (made.encode_ids(["THE FISH"]) == made.encode_ids(["the fish"])) is lower
    by_key = Tokenizer.from_file(file, do_lower_case=kind != "bert")
    assert by_key.fingerprint != Tokenizer.from_file(file).fingerprint


def changed(small_tokenizers, folder, kind, change):
    content = json.loads((small_tokenizers[kind] / "tokenizer.json").read_text(encoding="utf-8"))
    change(content)
    file = folder / "tokenizer.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def nested(content):
    for _ in range(400):
        content["normalizer"] = {"type": "Sequence", "normalizers": [content["normalizer"]]}


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("roberta", lambda content: content.update(post_processor=None), "a `post_processor` says where"),
        ("xlm-r", lambda content: content["model"].update(unk_id=None), "has an `unk_id` for unknown text"),
        ("xlm-r", lambda content: content.pop("model"), "has a `model` with a `vocab`, found none"),
        ("bert", lambda content: content["model"].update(vocab={"a": "x"}), "`vocab` has tokens and ids"),
        (
            "bert",
            lambda content: content["model"]["vocab"].update(z=10**12),
            "ids count up from 0, found 1000000000000",
        ),
        ("bert", lambda content: content.update(added_tokens=[{"id": 1}]), "`added_tokens` have `id`, `content`"),
        ("bert", lambda content: content["model"].update(type="None"), "the tokenizers library cannot use it"),
        ("bert", lambda content: content.update(pre_tokenizer={"type": "?"}), "the tokenizers library cannot use it"),
        ("bert", nested, ""),
    ],
)
def test_what_is_refused(small_tokenizers, tmp_path, kind, change, said):
    file = changed(small_tokenizers, tmp_path, kind, change)
    with pytest.raises(ConfigError) as caught:
        Tokenizer.from_file(file)
    assert str(caught.value).startswith(str(file))
    assert said in str(caught.value)


def test_no_padding_token(small_tokenizers, tmp_path):
    def rename(content):
        content["added_tokens"] = [entry for entry in content["added_tokens"] if entry["content"] != "<pad>"]
        content["model"]["vocab"]["unusual"] = content["model"]["vocab"].pop("<pad>")

    file = changed(small_tokenizers, tmp_path, "roberta", rename)
    with pytest.raises(ConfigError, match=r"fills the rows of a batch \(pad_token\)"):
        Tokenizer.from_file(file)
    (tmp_path / "special_tokens_map.json").write_text('{"pad_token": {"content": "unusual"}}', encoding="utf-8")
    assert Tokenizer.from_file(file).pad_id == 1


def test_no_such_file(tmp_path):
    with pytest.raises(ConfigError, match=r"the tokenizer must be a file, found nothing\. Set vocab_path"):
        Tokenizer.from_file(tmp_path / "tokenizer.json")


def test_a_changed_file_is_read_again(small_tokenizers, tmp_path):
    file = changed(small_tokenizers, tmp_path, "bert", lambda content: None)
    before = Tokenizer.from_file(file).fingerprint
    changed(small_tokenizers, tmp_path, "bert", lambda content: content["normalizer"].update(lowercase=False))
    assert Tokenizer.from_file(file).fingerprint != before


@pytest.mark.parametrize(
    ("kind", "inside"),
    [
        ("roberta", {"▁red": False, "ver": True, ",": False, "北京": False}),
        ("xlm-r", {"▁river": False, "d": True, "北京": False}),
    ],
)
def test_which_tokens_continue_a_word(all_kinds, kind, inside):
    made = all_kinds[kind]
    found = {token: bool(made.continues_word[number]) for number, token in enumerate(made.readable_tokens)}
    assert {token: found[token] for token in inside if token in found} == {
        token: value for token, value in inside.items() if token in found
    }
    assert not made.continues_word[sorted(made.special_ids)].any()
