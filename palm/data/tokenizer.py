"""Splits text into subword tokens (WordPiece, with BERT's rules) and keeps their offsets in the text."""

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from tokenizers import AddedToken, Encoding, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as FastTokenizer

from palm.data.tokenizer_config import TOKENIZER_CONFIG, read_tokenizer_config
from palm.data.vocab import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK, VOCAB_FILE, load_vocab

LONGEST_WORD = 100  # characters; a longer word is one [UNK], as in BERT's own tokenizer


@dataclass(frozen=True)
class Tokens:
    """Subword tokens of one text.

    Attributes:
        ids: Vocabulary ids.
        offsets: `(start, end)` of each token in characters of the original text.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]


@dataclass(frozen=True)
class WordTokens:
    """Subword tokens of a sentence that is given as words.

    Attributes:
        ids: Vocabulary ids.
        words: Index of the word of each token; every word has at least one token.
    """

    ids: list[int]
    words: list[int]


class Tokenizer:
    """BERT's tokenizer over one vocabulary.

    Text never yields special tokens: `[SEP]` written in a data file is five ordinary characters.

    Args:
        vocab: Tokens in the order of their ids, with [PAD], [UNK], [CLS], [SEP] and [MASK] among them.
        do_lower_case: Lower-case and strip accents.
        for_cn: Chinese text: `decode` joins tokens without blanks.
        strip_accents: Whether accents are removed; None: together with lower-casing.
        tokenize_chinese_chars: Whether each Chinese character is a word.
    """

    def __init__(
        self,
        vocab: Sequence[str],
        *,
        do_lower_case: bool,
        for_cn: bool,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
    ) -> None:
        self.tokens = tuple(vocab)
        self.do_lower_case = do_lower_case
        self.for_cn = for_cn
        self.strip_accents = do_lower_case if strip_accents is None else strip_accents
        self.tokenize_chinese_chars = tokenize_chinese_chars
        self._ids = {token: number for number, token in enumerate(self.tokens)}
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = (
            self._ids[name] for name in (PAD, UNK, CLS, SEP, MASK)
        )
        self.special_ids = frozenset(self._ids[name] for name in SPECIAL_TOKENS)
        self._plain = self._build()
        self._with_mask = self._build()
        self._with_mask.add_special_tokens([AddedToken(MASK, normalized=False, special=True)])

    @classmethod
    def from_file(cls, path: Path | str, *, do_lower_case: bool | None = None, for_cn: bool = False) -> "Tokenizer":
        """A tokenizer over the vocabulary file `path`, with the settings of a tokenizer_config.json beside it.

        Args:
            path: The vocabulary.
            do_lower_case: Lower-case and strip accents; None: as the tokenizer_config.json says, else not.
            for_cn: Chinese text.

        Raises:
            ConfigError: The file is missing or is not a vocabulary, or its tokenizer_config.json is not valid.
        """
        vocab, config = load_vocab(path), read_tokenizer_config(Path(path).parent)
        return cls(
            vocab,
            do_lower_case=bool(config.do_lower_case) if do_lower_case is None else do_lower_case,
            for_cn=for_cn,
            strip_accents=config.strip_accents,
            tokenize_chinese_chars=config.tokenize_chinese_chars,
        )

    def save(self, folder: Path) -> None:
        """Write the vocabulary and its settings to `folder`, for `from_file`."""
        (folder / VOCAB_FILE).write_text("\n".join(self.tokens) + "\n", encoding="utf-8")
        settings = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": self.do_lower_case,
            "strip_accents": self.strip_accents,
            "tokenize_chinese_chars": self.tokenize_chinese_chars,
        }
        (folder / TOKENIZER_CONFIG).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")

    @property
    def fingerprint(self) -> str:
        """A sha256 of everything that its output depends on: vocabulary and settings."""
        parts = [*self.tokens, f"do_lower_case={self.do_lower_case}", f"for_cn={self.for_cn}"]
        if self.strip_accents != self.do_lower_case:
            parts.append(f"strip_accents={self.strip_accents}")
        if not self.tokenize_chinese_chars:
            parts.append("tokenize_chinese_chars=False")
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def vocab_size(self) -> int:
        """Number of tokens in the vocabulary."""
        return len(self.tokens)

    def encode(self, texts: Sequence[str], *, keep_mask: bool = False) -> list[Tokens]:
        """Tokens of each text, without [CLS] and [SEP]; with `keep_mask`, a `[MASK]` in the text becomes that token."""
        encodings = self._encode_batch(texts, keep_mask)
        return [Tokens(item.ids, self._offsets(item, text)) for item, text in zip(encodings, texts, strict=True)]

    def encode_ids(self, texts: Sequence[str], *, keep_mask: bool = False) -> list[list[int]]:
        """The ids of `encode` without offsets, which is faster."""
        return [item.ids for item in self._encode_batch(texts, keep_mask)]

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[WordTokens]:
        """Tokens of sentences that are split into words; a word without tokens becomes one [UNK]."""
        encodings = self._plain.encode_batch(
            [list(words) for words in sentences], is_pretokenized=True, add_special_tokens=False
        )
        return [self._every_word(item, len(words)) for item, words in zip(encodings, sentences, strict=True)]

    def decode(self, ids: Sequence[int]) -> str:
        """Readable text of tokens, without special tokens; not identical to the original text."""
        tokens = [self.tokens[number] for number in ids if number not in self.special_ids]
        text: str = decoders.WordPiece(prefix="##", cleanup=True).decode(tokens)
        return text.replace(" ", "") if self.for_cn else text

    def _encode_batch(self, texts: Sequence[str], keep_mask: bool) -> list[Encoding]:
        splitter = self._with_mask if keep_mask else self._plain
        return splitter.encode_batch(list(texts), add_special_tokens=False)

    def _offsets(self, encoding: Encoding, text: str) -> list[tuple[int, int]]:
        """Offsets of each token; stripped accents that are separate characters belong to the letter before them."""
        if text.isascii() or not self.strip_accents:
            return encoding.offsets
        return [(start, _after_accents(text, end)) for start, end in encoding.offsets]

    def _every_word(self, encoding: Encoding, num_words: int) -> WordTokens:
        """The tokens in the order of their words, with an [UNK] for each word without tokens."""
        words = [word for word in encoding.word_ids if word is not None]
        missing = set(range(num_words)).difference(words)
        if not missing:
            return WordTokens(encoding.ids, words)
        tokens = [*zip(words, encoding.ids, strict=True), *((word, self.unk_id) for word in missing)]
        tokens.sort(key=itemgetter(0))
        return WordTokens([number for _, number in tokens], [word for word, _ in tokens])

    def _build(self) -> FastTokenizer:
        model = models.WordPiece(self._ids, unk_token=UNK, max_input_chars_per_word=LONGEST_WORD)
        splitter = FastTokenizer(model)
        splitter.normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=self.tokenize_chinese_chars,
            strip_accents=self.strip_accents,
            lowercase=self.do_lower_case,
        )
        splitter.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return splitter


def _after_accents(text: str, end: int) -> int:
    """`end`, or the end of the non-spacing marks that follow it."""
    while end < len(text) and unicodedata.category(text[end]) == "Mn":
        end += 1
    return end
