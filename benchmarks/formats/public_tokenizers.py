"""Small tokenizers in the files of public ones: vocab.txt, tokenizer.json of each family, spm.model alone."""

import json
import struct
from pathlib import Path

from tokenizers import AddedToken, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as FastTokenizer

from tests import small_tokenizers as small

TOKENIZER, CONFIG, VOCABULARY = "tokenizer.json", "tokenizer_config.json", "vocab.txt"
_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3


def bert(folder: Path) -> int:
    """vocab.txt and tokenizer.json, lower case."""
    return _wordpiece(folder, lower=True)


def bert_cased(folder: Path) -> int:
    """vocab.txt and tokenizer.json, as written."""
    return _wordpiece(folder, lower=False)


def vocabulary_alone(folder: Path) -> int:
    """vocab.txt and a tokenizer_config.json that says little."""
    count = _wordpiece(folder, lower=True)
    (folder / TOKENIZER).unlink()
    _write(folder / CONFIG, {"init_inputs": []})
    return count


def roberta(folder: Path) -> int:
    """Byte-level BPE: tokenizer.json; its vocab.json and merges.txt, which say the same, are left out."""
    return _size(small.write(folder, small.roberta))


def xlm_r(folder: Path) -> int:
    """Unigram: tokenizer.json."""
    return _size(small.write(folder, small.xlm_r))


def modernbert(folder: Path) -> int:
    """Byte-level BPE with BERT's special tokens: tokenizer.json."""
    return _size(small.write(folder, small.modernbert))


def camembert(folder: Path) -> int:
    """Unigram whose begin and end are ids 5 and 6, behind tokens that are not used."""
    special = ("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>")

    def make() -> small.Made:
        made = small.unigram(special, "<unk>", normalizers.Sequence([normalizers.NFKC(), small.single_blanks()]))
        made.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False, special=True)])
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 5), ("</s>", 6)]
        )
        roles = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")
        return made, roles, {"tokenizer_class": "CamembertTokenizer", "model_max_length": 512}

    return _size(small.write(folder, make))


def mpnet(folder: Path) -> int:
    """WordPiece with RoBERTa's special tokens, which stand before BERT's in its vocab.txt."""
    special = ("<s>", "<pad>", "</s>", "<unk>", "[UNK]", "<mask>")

    def make() -> small.Made:
        made = _bert_tokenizer(special, lower=True)
        made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
        return made, ("<pad>", "[UNK]", "<s>", "</s>", "<mask>"), {"tokenizer_class": "MPNetTokenizer"}

    return _with_vocabulary(small.write(folder, make))


def albert(folder: Path) -> int:
    """Unigram in lower case, with BERT's layout."""
    special = ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")

    def make() -> small.Made:
        steps = [normalizers.Replace("``", '"'), normalizers.NFKD(), normalizers.StripAccents()]
        normalizer = normalizers.Sequence([*steps, normalizers.Lowercase(), small.single_blanks()])
        made = small.unigram(special, "<unk>", normalizer)
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        return made, special, {"do_lower_case": True, "tokenizer_class": "AlbertTokenizer"}

    return _size(small.write(folder, make))


def deberta(folder: Path) -> int:
    """spm.model and nothing else, with its special tokens among the pieces, and [MASK] behind them."""
    made, _, _ = small.deberta()
    pieces = json.loads(made.to_str())["model"]["vocab"]
    special = {"[PAD]": _CONTROL, "[CLS]": _CONTROL, "[SEP]": _CONTROL, "[UNK]": _UNKNOWN}
    kinds = [special.get(piece, _NORMAL) for piece, _ in pieces]
    (folder / "spm.model").write_bytes(_sentencepiece(pieces, kinds))
    _write(folder / CONFIG, {"do_lower_case": False, "vocab_type": "spm"})
    return len(pieces) + 1


def _sentencepiece(pieces: list[tuple[str, float]], kinds: list[int]) -> bytes:
    """A ModelProto of sentencepiece (`sentencepiece_model.proto`): its pieces, a Unigram model, no replacements."""
    parts = []
    for (piece, score), kind in zip(pieces, kinds, strict=True):
        content = _field(1, piece.encode()) + b"\x15" + struct.pack("<f", score) + b"\x18" + bytes([kind])
        parts.append(_field(1, content))
    unigram = b"\x18\x01"  # model_type: UNIGRAM
    return b"".join([*parts, _field(2, unigram), _field(3, _field(1, b"identity"))])


def _field(number: int, content: bytes) -> bytes:
    """A field of protobuf with a length before it."""
    length, size = b"", len(content)
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def _wordpiece(folder: Path, *, lower: bool) -> int:
    def make() -> small.Made:
        made = _bert_tokenizer(small.BERT, lower=lower)
        made.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0",
            pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
            special_tokens=[(name, made.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
        )
        return made, small.BERT, {"do_lower_case": lower, "tokenizer_class": "BertTokenizer"}

    return _with_vocabulary(small.write(folder, make))


def _bert_tokenizer(special: tuple[str, ...], *, lower: bool) -> FastTokenizer:
    made = FastTokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=lower)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=list(special), show_progress=False)
    made.train_from_iterator(small.TEXTS, trainer)
    return made


def _with_vocabulary(folder: Path) -> int:
    """Write the vocab.txt that a WordPiece's tokenizer.json has beside it."""
    ids = FastTokenizer.from_file(str(folder / TOKENIZER)).get_vocab()
    (folder / VOCABULARY).write_text("".join(f"{token}\n" for token in sorted(ids, key=ids.get)), encoding="utf-8")
    return len(ids)


def _size(folder: Path) -> int:
    return FastTokenizer.from_file(str(folder / TOKENIZER)).get_vocab_size()


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content) + "\n", encoding="utf-8")
