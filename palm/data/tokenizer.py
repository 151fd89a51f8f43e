"""Splits text into subword tokens, as a vocab.txt or a tokenizer.json describes it, and keeps their offsets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from palm.data.layout import TextLayout
from palm.data.offsets import exact_spans, with_accents
from palm.data.readable_tokens import continues_word, readable_tokens
from palm.data.sentencepiece_model import SENTENCEPIECE_FILE
from palm.data.tokenizer_config import TOKENIZER_CONFIG, read_tokenizer_config
from palm.data.tokenizer_definition import TokenizerDefinition, define_wordpiece, load_definition
from palm.data.tokenizer_json import SENTENCEPIECE_SUFFIX, TOKENIZER_FILE
from palm.data.vocab import VOCAB_FILE, load_vocab
from palm.data.words import Assigned, WordAlone, assign, encode_alone, join_words
from palm.errors import ConfigError, Problem


@dataclass(frozen=True)
class Tokens:
    """Subword tokens of one text.

    Attributes:
        ids: Vocabulary ids.
        offsets: `(start, end)` of each token in characters of the original text, without blanks around it; empty for a
            token that stands for a blank alone.
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
    """The tokenizer of an encoder: WordPiece, BPE or Unigram.

    Text never yields special tokens: `[SEP]` or `</s>` written in a data file are ordinary characters.

    Args:
        vocab: Tokens of BERT's tokenizer in the order of their ids, with [PAD], [UNK], [CLS], [SEP] and [MASK] among
            them; `from_file` reads other tokenizers.
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
        definition = define_wordpiece(
            tuple(vocab),
            do_lower_case=do_lower_case,
            strip_accents=do_lower_case if strip_accents is None else strip_accents,
            tokenize_chinese_chars=tokenize_chinese_chars,
        )
        self._use(definition, for_cn=for_cn)

    def _use(self, definition: TokenizerDefinition, *, for_cn: bool) -> None:
        self._definition = definition
        self.for_cn = for_cn
        self.do_lower_case = definition.do_lower_case
        self.tokens = definition.tokens
        self.pad_id = definition.special.pad
        self.cls_id, self.sep_id = definition.special.cls, definition.special.sep
        self.unk_id = definition.special.unk
        self.special_ids = definition.special.every

    @classmethod
    def from_file(cls, path: Path | str, *, do_lower_case: bool | None = None, for_cn: bool = False) -> "Tokenizer":
        """The tokenizer of a vocab.txt, tokenizer.json or spm.model, with the settings of tokenizer_config.json there.

        Args:
            path: The file; a tokenizer.json is known by the ending `.json`, an spm.model by `.model`.
            do_lower_case: Lower-case and strip accents; None: as the files say, else not.
            for_cn: Chinese text.

        Raises:
            ConfigError: A file is missing, or is not valid.
        """
        path = Path(path)
        if path.suffix.lower() in (".json", SENTENCEPIECE_SUFFIX):
            tokenizer = cls.__new__(cls)
            tokenizer._use(load_definition(path, do_lower_case=do_lower_case), for_cn=for_cn)
            return tokenizer
        vocab, config = load_vocab(path), read_tokenizer_config(path.parent)
        return cls(
            vocab,
            do_lower_case=bool(config.do_lower_case) if do_lower_case is None else do_lower_case,
            for_cn=for_cn,
            strip_accents=config.strip_accents,
            tokenize_chinese_chars=config.tokenize_chinese_chars,
        )

    @classmethod
    def from_folder(cls, folder: Path, *, do_lower_case: bool | None = None, for_cn: bool = False) -> "Tokenizer":
        """The tokenizer in `folder`: its tokenizer.json, else its vocab.txt, else its spm.model.

        Raises:
            ConfigError: A file is missing, or is not valid.
        """
        files = (TOKENIZER_FILE, VOCAB_FILE, SENTENCEPIECE_FILE)
        name = next((name for name in files if (folder / name).is_file()), VOCAB_FILE)
        return cls.from_file(folder / name, do_lower_case=do_lower_case, for_cn=for_cn)

    def save(self, folder: Path) -> str:
        """Write the tokenizer's files to `folder`, for `from_folder`; return the name of the main one."""
        files = self._definition.files
        for name, content in files.items():
            (folder / name).write_bytes(content)
        if files:
            return TOKENIZER_FILE
        (folder / VOCAB_FILE).write_text("\n".join(self.tokens) + "\n", encoding="utf-8")
        settings = {"tokenizer_class": "BertTokenizer", **(self._definition.wordpiece or {})}
        (folder / TOKENIZER_CONFIG).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        return VOCAB_FILE

    @cached_property
    def fingerprint(self) -> str:
        """A sha256 of everything that its output depends on: vocabulary and settings."""
        return self._definition.fingerprint(for_cn=self.for_cn)

    @property
    def vocab_size(self) -> int:
        """Number of tokens in the vocabulary."""
        return len(self.tokens)

    @property
    def mask_id(self) -> int:
        """The token in place of one to predict.

        Raises:
            ConfigError: The tokenizer has none.
        """
        mask = self._definition.special.mask
        if mask is None:
            rule = "masked language models need a token such as [MASK], found none in the tokenizer."
            raise ConfigError(Problem(self._definition.where, f"{rule} Name it (mask_token) in {TOKENIZER_CONFIG}."))
        return mask

    @property
    def single(self) -> TextLayout:
        """Where special tokens stand around one text."""
        return self._definition.single

    @property
    def pair(self) -> TextLayout:
        """Where special tokens stand around a pair of texts, and its segments."""
        return self._definition.pair

    def described(self) -> dict[str, object]:
        """What a program needs beside `text_encoder` to do the same, serializable as JSON.

        Ids of special tokens, `single` and `pair` (where they stand around texts: `palm.data.layout`), the names that
        stand for a token to predict, the tokens that stand for a blank alone, and whether tokens depend on blanks.
        """
        definition = self._definition
        special = definition.special
        return {
            "pad_id": special.pad, "unk_id": special.unk, "mask_id": special.mask, "sep_id": special.sep,
            "vocab_size": self.vocab_size,
            "single": asdict(self.single), "pair": asdict(self.pair),
            "mask_names": list(definition.mask_names), **definition.mask_strips,
            "sees_blanks": definition.sees_blanks,
            "markers": sorted(definition.markers), "for_cn": self.for_cn,
        }  # fmt: skip

    def text_encoder(self, *, inside: bool = False) -> str:
        """A tokenizer.json that encodes texts alone: it adds no special token, and text never yields one.

        The one for `inside` is for a text that continues another without a blank.
        """
        definition = self._definition
        encoder: str = (definition.continuing_encoder if inside else definition.encoder).to_str()
        return encoder

    @cached_property
    def readable_tokens(self) -> tuple[str, ...]:
        """The tokens by id for people: those of bytes as text, with `▁` for a blank."""
        return readable_tokens(self.tokens, self._definition.content)

    @cached_property
    def continues_word(self) -> NDArray[np.bool_]:
        """For each id, whether the token continues the word before it: `bool[vocab]`."""
        return continues_word(self.tokens, self.special_ids, self._definition.content)

    def encode(self, texts: Sequence[str], *, keep_mask: bool = False) -> list[Tokens]:
        """Tokens of each text, without special ones; with `keep_mask`, a `[MASK]` in the text becomes that token."""
        encodings = self._encode_batch(texts, keep_mask)
        return [
            Tokens(self._ids_of(item, keep_mask), self._offsets(item, text))
            for item, text in zip(encodings, texts, strict=True)
        ]

    def encode_ids(self, texts: Sequence[str], *, keep_mask: bool = False) -> list[list[int]]:
        """The ids of `encode` without offsets, which is faster."""
        return [self._ids_of(item, keep_mask) for item in self._encode_batch(texts, keep_mask)]

    def encode_inside(self, texts: Sequence[str], *, after_blank: bool) -> list[list[int]]:
        """Ids of texts that follow other text: after a blank, or without one."""
        definition = self._definition
        if not definition.sees_blanks or (after_blank and definition.continuing_encoder is not definition.encoder):
            return self.encode_ids(texts)  # where it puts a blank before every text
        blank = " " if after_blank else ""
        encodings = definition.continuing_encoder.encode_batch(
            [blank + text for text in texts], add_special_tokens=False
        )
        return [encoding.ids for encoding in encodings]

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[WordTokens]:
        """Tokens of sentences that are split into words; a word without tokens becomes one [UNK].

        Where tokens depend on blanks, words are encoded in their sentence. Words that share a token there, as may be in
        Chinese, are encoded one by one.
        """
        if not self._definition.sees_blanks:
            encodings = self._definition.encoder.encode_batch(
                [list(words) for words in sentences], is_pretokenized=True, add_special_tokens=False
            )
            split = [list(zip(item.word_ids, item.ids, strict=True)) for item in encodings]
        else:
            split = self._encode_joined(sentences)
        return [self._every_word(found, len(words)) for found, words in zip(split, sentences, strict=True)]

    @property
    def keeps_blanks(self) -> bool:
        """Whether tokens know where the blanks of a text are, so that they give it back as it was."""
        return self._definition.sees_blanks

    def decode(self, ids: Sequence[int]) -> str:
        """Readable text of tokens, without special tokens; not identical to the original text."""
        text = self.spaced_text(ids)
        return text.replace(" ", "") if self.for_cn else text.strip()

    def spaced_text(self, ids: Sequence[int]) -> str:
        """`decode` with blanks between words also in Chinese."""
        kept = [number for number in ids if number not in self.special_ids]
        text: str = self._definition.encoder.decode(kept, skip_special_tokens=False)
        return text

    def _encode_batch(self, texts: Sequence[str], keep_mask: bool) -> list[Encoding]:
        encoder = self._definition.masking_encoder if keep_mask else self._definition.encoder
        return encoder.encode_batch(list(texts), add_special_tokens=False)

    def _ids_of(self, encoding: Encoding, keep_mask: bool) -> list[int]:
        if not keep_mask:
            return encoding.ids
        size, mask = self.vocab_size, self.mask_id
        return [number if number < size else mask for number in encoding.ids]

    def _offsets(self, encoding: Encoding, text: str) -> list[tuple[int, int]]:
        """Exact offsets; those of BERT's own tokenizer only lack the accents that it removes."""
        settings = self._definition.wordpiece
        if settings is not None:
            plain = text.isascii() or not settings["strip_accents"]
            return encoding.offsets if plain else with_accents(encoding.offsets, text)
        return exact_spans(encoding.ids, encoding.offsets, text, self._definition.markers)

    def _encode_joined(self, sentences: Sequence[Sequence[str]]) -> list[list[tuple[int | None, int]]]:
        """Word and token of each sentence, encoded as one text."""
        joined = [join_words(words, for_cn=self.for_cn) for words in sentences]
        tokens = self.encode([sentence.text for sentence in joined])
        found = [assign(one, each.ids, each.offsets) for one, each in zip(joined, tokens, strict=True)]
        alone = encode_alone(found, self._encode_words_alone)
        return [_spread(items, alone) for items in found]

    def _encode_words_alone(self, texts: list[str], inside: bool) -> list[list[int]]:
        encoder = self._definition.continuing_encoder if inside else self._definition.encoder
        return [item.ids for item in encoder.encode_batch(texts, add_special_tokens=False)]

    def _every_word(self, found: Sequence[tuple[int | None, int]], num_words: int) -> WordTokens:
        """The tokens in the order of their words, with an [UNK] for each word without tokens."""
        tokens = [(word, number) for word, number in found if word is not None]
        missing = set(range(num_words)).difference(word for word, _ in tokens)
        if missing:
            filler = self.sep_id if self.unk_id is None else self.unk_id
            tokens += [(word, filler) for word in missing]
            tokens.sort(key=itemgetter(0))
        return WordTokens([number for _, number in tokens], [word for word, _ in tokens])


def _spread(items: Assigned, alone: Mapping[WordAlone, list[int]]) -> list[tuple[int | None, int]]:
    """Word and token, with the tokens of words that are encoded on their own."""
    found: list[tuple[int | None, int]] = []
    for word, token in items:
        found += [(word, number) for number in (alone[token] if isinstance(token, WordAlone) else [token])]
    return found
