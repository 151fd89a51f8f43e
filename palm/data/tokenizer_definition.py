"""What a tokenizer is, whichever file describes it: its tokens, their roles, the layout of texts, and encoders."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from tokenizers import AddedToken, processors
from tokenizers import Tokenizer as FastTokenizer

from palm.data.layout import TextLayout, ask_layouts
from palm.data.special_tokens import SpecialTokens, find_special_tokens
from palm.data.tokenizer_config import SPECIAL_TOKENS_MAP, TOKENIZER_CONFIG, read_tokenizer_config
from palm.data.tokenizer_json import (
    SENTENCEPIECE_SUFFIX,
    TOKENIZER_FILE,
    Added,
    Content,
    added_tokens,
    build,
    guarded,
    invalid,
    lower_cases,
    parts_of,
    read_tokenizer_json,
    tokens_of,
    with_lower_case,
    without_prefix,
    without_special,
)
from palm.data.vocab import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK

LONGEST_WORD = 100  # characters; a longer word is one [UNK], as in BERT's own tokenizer
_BESIDE = (TOKENIZER_CONFIG, SPECIAL_TOKENS_MAP)


@dataclass(frozen=True)
class TokenizerDefinition:
    """A tokenizer without its file.

    Attributes:
        content: It in the form of a tokenizer.json.
        tokens: The tokens by id; empty for an id without one.
        special: Its special tokens.
        single: Where special tokens stand around a text.
        pair: The same around a pair.
        do_lower_case: Whether it lower-cases.
        encoder: Encodes text, which never yields a special token.
        files: Its files and their content, for a folder of its own; empty for one that vocab.txt describes.
        where: The file it is from, for messages.
    """

    content: Content
    tokens: tuple[str, ...]
    special: SpecialTokens
    single: TextLayout
    pair: TextLayout
    do_lower_case: bool
    encoder: FastTokenizer
    files: Mapping[str, bytes] = field(default_factory=dict)
    where: str = ""

    @cached_property
    def masking_encoder(self) -> FastTokenizer:
        """Like `encoder`, but `[MASK]` and the tokenizer's own name of it become ids beyond the vocabulary."""
        copy = FastTokenizer.from_str(self.encoder.to_str())
        strips = self.mask_strips
        copy.add_special_tokens(
            [AddedToken(name, normalized=False, special=True, **strips) for name in self.mask_names]
        )
        return copy

    @cached_property
    def mask_names(self) -> tuple[str, ...]:
        """What stands for a token to predict in a text: `[MASK]`, and the tokenizer's own name of it."""
        own = [] if self.special.mask is None else [self.tokens[self.special.mask]]
        return tuple(dict.fromkeys([MASK, *own]))

    @cached_property
    def mask_strips(self) -> dict[str, bool]:
        """Whether the tokenizer's own mask takes the blanks before it (`lstrip`) and behind it (`rstrip`)."""
        own = next((token for token in added_tokens(self.content) if token.id == self.special.mask), None)
        return {"lstrip": own.lstrip, "rstrip": own.rstrip} if own else {"lstrip": False, "rstrip": False}

    @cached_property
    def continuing_encoder(self) -> FastTokenizer:
        """Like `encoder`, but for text that continues another without a blank."""
        shortened = without_prefix(self.content)
        if shortened == self.content:
            return self.encoder
        return build(without_special(shortened, _names(self.tokens, self.special)), self.where)

    @cached_property
    def sees_blanks(self) -> bool:
        """Whether a word's tokens depend on the blank before it: not where blanks only separate words."""
        return not _splits_at_blanks(self.content)

    @cached_property
    def markers(self) -> frozenset[int]:
        """Tokens that stand for a blank alone."""
        if not self.sees_blanks:
            return frozenset()
        return frozenset(number for number, token in enumerate(self.tokens) if token and not token.strip("▁Ġ \u00a0"))

    @cached_property
    def wordpiece(self) -> dict[str, bool] | None:
        """The settings of BERT's own tokenizer, if this is one, so that a vocab.txt describes it as well."""
        normalizer, model = self.content.get("normalizer") or {}, self.content["model"]
        expected = _bert(self.tokens, lower=False, strip_accents=False, chinese=True)
        own = {**model, "vocab": None} == {**expected["model"], "vocab": None}
        plain = {token.content for token in added_tokens(self.content)} <= set(SPECIAL_TOKENS)
        as_bert = normalizer.get("type") == "BertNormalizer" and normalizer.get("clean_text") and self._lays_out_as_bert
        if not (own and plain and as_bert and set(SPECIAL_TOKENS) <= set(self.tokens)):
            return None
        if self.content.get("pre_tokenizer") != expected["pre_tokenizer"]:
            return None
        lower, strip = bool(normalizer.get("lowercase")), normalizer.get("strip_accents")
        return {
            "do_lower_case": lower,
            "strip_accents": lower if strip is None else bool(strip),
            "tokenize_chinese_chars": bool(normalizer.get("handle_chinese_chars")),
        }

    @property
    def _lays_out_as_bert(self) -> bool:
        ids = {token: number for number, token in enumerate(self.tokens)}
        cls, sep = ((ids.get(name),) for name in (CLS, SEP))
        parts = (
            self.pair.front.ids,
            self.pair.middle.ids,
            self.pair.back.ids,
            self.single.front.ids,
            self.single.back.ids,
        )
        return parts == (cls, sep, sep, cls, sep) and self.pair.num_segments == 2

    def fingerprint(self, *, for_cn: bool) -> str:
        """A sha256 of everything that the tokenizer's output depends on; one for equal tokenizers of either file."""
        settings = self.wordpiece
        if settings is None:
            digest = hashlib.sha256(self.files[TOKENIZER_FILE])
            digest.update(repr((self.do_lower_case, for_cn, self.special.pad, self.single, self.pair)).encode())
            return digest.hexdigest()
        lower = settings["do_lower_case"]
        parts = [*self.tokens, f"do_lower_case={lower}", f"for_cn={for_cn}"]
        if settings["strip_accents"] != lower:
            parts.append(f"strip_accents={settings['strip_accents']}")
        if not settings["tokenize_chinese_chars"]:
            parts.append("tokenize_chinese_chars=False")
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=4)
def define_wordpiece(
    vocab: tuple[str, ...], *, do_lower_case: bool, strip_accents: bool, tokenize_chinese_chars: bool
) -> TokenizerDefinition:
    """BERT's tokenizer over the tokens of a vocab.txt, with [PAD], [UNK], [CLS], [SEP] and [MASK] among them."""
    content = _bert(vocab, lower=do_lower_case, strip_accents=strip_accents, chinese=tokenize_chinese_chars)
    ids = content["model"]["vocab"]
    nameless = {number for number, token in enumerate(vocab) if not token}
    numbers = [ids[name] for name in SPECIAL_TOKENS]
    pad, unk, cls, sep, mask = (ids[name] for name in (PAD, UNK, CLS, SEP, MASK))
    special = SpecialTokens(pad, unk, cls, sep, mask, frozenset([*numbers, *nameless]))
    encoder = build(without_special(content, SPECIAL_TOKENS), "vocab.txt")
    single, pair = ask_layouts(encoder.encode)
    return TokenizerDefinition(content, vocab, special, single, pair, do_lower_case, encoder)


def load_definition(path: Path, *, do_lower_case: bool | None) -> TokenizerDefinition:
    """The tokenizer of a tokenizer.json, or of an spm.model.

    Args:
        path: The file; special tokens by role are taken from a tokenizer_config.json beside it.
        do_lower_case: Whether to lower-case text; None: as the file says.

    Raises:
        ConfigError: The file is missing, or describes no tokenizer with which an encoder can be trained.
    """
    folder = path.parent
    try:
        return _load(path, do_lower_case, tuple(_stamp(folder / name) for name in (path.name, *_BESIDE)))
    except RecursionError:
        raise invalid(path, "its parts are nested too deeply") from None


def _stamp(file: Path) -> tuple[int, int] | None:
    """What changes with the file."""
    if not file.is_file():
        return None
    return file.stat().st_mtime_ns, file.stat().st_size


@lru_cache(maxsize=4)
def _load(path: Path, do_lower_case: bool | None, stamps: object) -> TokenizerDefinition:
    """The tokenizer, once per version of its files: a large one takes a second to build."""
    del stamps
    content, config = read_tokenizer_json(path), read_tokenizer_config(path.parent)
    lower = lower_cases(content, path)
    if do_lower_case is not None and do_lower_case != lower:
        content, lower = with_lower_case(content, lower=do_lower_case), do_lower_case
        if lower_cases(content, path) != lower:
            raise invalid(path, f"do_lower_case: {str(lower).lower()} contradicts its normalizer, which cannot change")
    if content["model"].get("type") == "Unigram" and content["model"].get("unk_id") is None:
        raise invalid(path, "a Unigram model has an `unk_id` for unknown text, found none")
    # A large vocabulary takes a second to build: its layouts are asked of the encoder that is kept.
    marked = {token.content for token in added_tokens(content) if token.special}
    encoder = build(without_special(content, marked), path)
    layouts = _ask_layouts(encoder, content, path)
    if config.segments is False:
        layouts = layouts[0].in_one_segment(), layouts[1].in_one_segment()
    special = find_special_tokens(content, config, layouts, path)
    known = tokens_of(content)
    tokens = tuple(known.get(number, "") for number in range(max(known) + 1))
    if _names(tokens, special) != marked:
        encoder = build(without_special(content, _names(tokens, special)), path)
    encoder.post_processor = None
    beside = {name: path.parent / name for name in _BESIDE}
    is_json = path.suffix.lower() != SENTENCEPIECE_SUFFIX
    files = {TOKENIZER_FILE: path.read_bytes() if is_json else json.dumps(content, ensure_ascii=False).encode()}
    files |= {name: file.read_bytes() for name, file in beside.items() if file.is_file()}
    return TokenizerDefinition(content, tokens, special, *layouts, lower, encoder, files, str(path))


def _ask_layouts(encoder: FastTokenizer, content: Content, path: Path) -> tuple[TextLayout, TextLayout]:
    if not content.get("post_processor"):
        raise invalid(path, "a `post_processor` says where special tokens such as [CLS] and [SEP] stand, found none")
    try:
        return ask_layouts(lambda *texts: guarded(lambda: encoder.encode(*texts), path))
    except ValueError as error:
        raise invalid(path, str(error)) from None


def _names(tokens: Sequence[str], special: SpecialTokens) -> set[str]:
    """Names of the special tokens."""
    return {tokens[number] for number in special.every} - {""}


def _bert(vocab: Sequence[str], *, lower: bool, strip_accents: bool, chinese: bool) -> Content:
    """The tokenizer.json of a vocab.txt."""
    ids = {token: number for number, token in enumerate(vocab)}
    added = [Added(ids[name], name, special=True) for name in SPECIAL_TOKENS if name in ids]
    layout = processors.BertProcessing((SEP, ids.get(SEP, 0)), (CLS, ids.get(CLS, 0)))
    normalizer = {"clean_text": True, "handle_chinese_chars": chinese, "strip_accents": strip_accents}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [asdict(token) for token in added],
        "normalizer": {"type": "BertNormalizer", **normalizer, "lowercase": lower},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": json.loads(layout.__getstate__()),
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": UNK,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": LONGEST_WORD,
            "vocab": ids,
        },
    }


def _splits_at_blanks(content: Content) -> bool:
    """Whether blanks only separate words, as for BERT."""
    kinds = {part.get("type") for part in parts_of(content.get("pre_tokenizer"))}
    return bool(kinds & {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}) and not kinds & {
        "ByteLevel",
        "Metaspace",
    }
