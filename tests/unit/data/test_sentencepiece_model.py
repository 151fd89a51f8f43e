"""spm.model: the tokens of SentencePiece and of transformers, and files that are not DeBERTa's."""

import shutil
from pathlib import Path

import pytest

from palm.data.sentencepiece_model import read_sentencepiece
from palm.data.tokenizer import Tokenizer
from palm.errors import ConfigError
from tests.small_tokenizers import CHINESE, ENGLISH, TEXTS

SPELT = ["[CLS] red [SEP]", " the  red   fish ", "ｆｉｓｈ １２", "cafe\u0301 ﬁsh", "😀 北京", "", "a\u3000b\tc"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of SentencePiece's own making, as DeBERTa's folders have it."""
    sentencepiece = pytest.importorskip("sentencepiece", reason="needs sentencepiece: pip install .[parity]")
    place = tmp_path_factory.mktemp("spm")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_prefix=str(place / "spm"), vocab_size=150, model_type="unigram",
        pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]",
        unk_piece="[UNK]", minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    (place / "spm.vocab").unlink()
    return place


@pytest.mark.parametrize("text", [*ENGLISH, *CHINESE, *SPELT])
def test_the_tokens_of_sentencepiece(folder: Path, text: str) -> None:
    import sentencepiece

    theirs = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    [ids] = Tokenizer.from_file(folder / "spm.model").encode_ids([text])
    # transformers splits at blanks, and each run of what is unknown is one token there as here.
    assert [theirs.id_to_piece(number) for number in ids] == [
        theirs.id_to_piece(number) for number in theirs.encode(" ".join(text.split()))
    ]


@pytest.mark.parametrize("texts", [("the red fish",), ("红鱼在河里游", "who runs?")])
def test_the_layout_of_transformers(folder: Path, texts: tuple[str, ...], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="needs transformers: pip install .[parity]")
    shutil.copy(folder / "spm.model", tmp_path)
    theirs = transformers.DebertaV2Tokenizer.from_pretrained(tmp_path)
    ours = Tokenizer.from_folder(tmp_path)
    layout = ours.single if len(texts) == 1 else ours.pair
    found = [*layout.front.ids]
    for ids, after in zip(ours.encode_ids(list(texts)), (layout.middle, layout.back)[-len(texts) :], strict=True):
        found += [*ids, *after.ids]
    assert found == theirs(*texts)["input_ids"]
    assert (ours.mask_id, ours.pad_id) == (theirs.mask_token_id, 0)
    assert ours.vocab_size == len(theirs)


def test_it_is_saved_as_a_tokenizer_json(folder: Path, tmp_path: Path) -> None:
    made = Tokenizer.from_file(folder / "spm.model")
    assert made.save(tmp_path) == "tokenizer.json"
    again = Tokenizer.from_folder(tmp_path)
    assert again.encode_ids(CHINESE) == made.encode_ids(CHINESE)
    assert again.fingerprint == made.fingerprint


def test_files_that_are_not_debertas_are_refused(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "spm.model").read_bytes()
    file = tmp_path / "spm.model"
    for content, words in (
        (b"", r"found none of \[PAD\], \[UNK\], \[CLS\], \[SEP\]"),
        (b"nonsense", "a model of SentencePiece is expected, found another file"),
        (whole[:-3], "found another file"),
        (b"\x0a\xff", "found another file"),
        (b"\xff" * 40, "found another file"),
        (whole.replace(b"[CLS]", b"<cls>"), r"which hold \[CLS\] and \[SEP\], found none of \[CLS\]"),
        (whole + b"\x12\x02\x18\x02", "found model_type 2"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n", "git lfs pull"),
    ):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=words):
            read_sentencepiece(file)
