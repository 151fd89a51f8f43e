"""Reads tokenizer.json, the file of the tokenizers library, and adapts it: no special token comes from text."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer

from palm.data.sentencepiece_model import read_sentencepiece
from palm.data.tokenizer_config import read_object, read_tokenizer_config
from palm.errors import ConfigError, Problem
from palm.schema.places import exists

TOKENIZER_FILE = "tokenizer.json"
SENTENCEPIECE_SUFFIX = ".model"
_ADVICE = "Save it again (`AutoTokenizer.from_pretrained(…).save_pretrained(…)`), or name another vocab_path."
_UNPRINTABLE = "\U0010fffe"  # a noncharacter, which no text has
_MOST_GAPS = 1000

Content = Mapping[str, Any]


@dataclass(frozen=True)
class Added:
    """An entry of `added_tokens`: a token that is found in text before the model sees it."""

    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = False


def added_tokens(content: Content) -> list[Added]:
    """The entries of `added_tokens`."""
    return [Added(**entry) for entry in content["added_tokens"]]


def invalid(where: object, message: str) -> ConfigError:
    """The error about a tokenizer.json that cannot be used."""
    return ConfigError(Problem(str(where), f"{message}. {_ADVICE}"))


def read_tokenizer_json(path: Path) -> Content:
    """The content of a tokenizer.json, or of an spm.model in its form, without its truncation, padding and dropout.

    Raises:
        ConfigError: It is missing, is not a tokenizer.json, or its ids have large gaps.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise ConfigError(Problem(str(path), f"the tokenizer must be a file, found {found}. Set vocab_path."))
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int, size: int) -> Content:
    """The content, once per version of the file."""
    del changed, size
    content = read_sentencepiece(path) if path.suffix.lower() == SENTENCEPIECE_SUFFIX else read_object(path)
    model, added = content.get("model"), content.get("added_tokens", [])
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict | list):
        raise invalid(path, "a tokenizer.json has a `model` with a `vocab`, found none")
    if not isinstance(added, list) or not all(_is_added(each) for each in added):
        raise invalid(path, "`added_tokens` have `id`, `content` and flags, found others")
    if "dropout" in model:
        model = {**model, "dropout": None}  # one text has one encoding
    content = {**content, "truncation": None, "padding": None, "model": model, "added_tokens": added}
    ids = list(_ids(content, path))
    if max(ids, default=0) >= 2 * len(ids) + _MOST_GAPS or min(ids, default=0) < 0:
        raise invalid(path, f"ids count up from 0, found {max(ids)} for {len(ids)} tokens")
    return content


def _is_added(entry: object) -> bool:
    try:
        token = Added(**entry) if isinstance(entry, dict) else None
    except TypeError:
        return False
    return token is not None and isinstance(token.id, int) and isinstance(token.content, str)


def _ids(content: Content, path: Path) -> Iterator[int]:
    vocab = content["model"]["vocab"]
    numbers = range(len(vocab)) if isinstance(vocab, list) else vocab.values()
    pieces = (piece[0] if isinstance(piece, list) and piece else None for piece in vocab)
    names: Iterator[object] = pieces if isinstance(vocab, list) else iter(vocab)
    for name, number in zip(names, numbers, strict=True):
        if not isinstance(name, str) or not isinstance(number, int):
            raise invalid(path, f"`vocab` has tokens and ids, found `{str(name)[:40]}`: `{str(number)[:40]}`")
        yield number
    yield from (token.id for token in added_tokens(content))


def tokens_of(content: Content) -> dict[int, str]:
    """The tokens by id, those added to the model's vocabulary included."""
    vocab = content["model"]["vocab"]
    if isinstance(vocab, list):
        tokens = {number: str(piece[0]) for number, piece in enumerate(vocab)}
    else:
        tokens = {number: token for token, number in vocab.items()}
    return tokens | {token.id: token.content for token in added_tokens(content)}


def build(content: Content, where: object) -> FastTokenizer:
    """The tokenizer that `content` describes.

    Raises:
        ConfigError: It describes none.
    """
    encoder: FastTokenizer = guarded(lambda: FastTokenizer.from_str(json.dumps(content)), where)
    return encoder


def guarded(make: Callable[[], Any], where: object) -> Any:  # noqa: ANN401 (whatever is made)
    """What `make` returns.

    Raises:
        ConfigError: The tokenizers library has failed.
    """
    try:
        return make()
    except (KeyboardInterrupt, SystemExit, RecursionError, ConfigError):
        raise
    except BaseException as error:  # a panic of its Rust code is not an Exception
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise invalid(where, f"the tokenizers library cannot use it: {reason}") from error


def without_special(content: Content, names: Collection[str]) -> Content:
    """The same tokenizer, but the special tokens `names` keep their ids and never match text."""
    hidden = {name: _UNPRINTABLE + name for name in names}
    model = dict(content["model"])
    vocab = model["vocab"]
    if isinstance(vocab, list):
        model["vocab"] = [[hidden.get(piece, piece), score] for piece, score in vocab]
    else:
        model["vocab"] = {hidden.get(token, token): number for token, number in vocab.items()}
    if "merges" in model:
        model["merges"] = [merge for merge in model["merges"] if not _touches(merge, hidden)]
    if model.get("unk_token") in hidden:
        model["unk_token"] = hidden[model["unk_token"]]
    added = [replace(token, content=hidden.get(token.content, token.content)) for token in added_tokens(content)]
    return {**content, "model": model, "added_tokens": [asdict(token) for token in added]}


def _touches(merge: str | Sequence[str], names: Collection[str]) -> bool:
    left, _, right = merge.partition(" ") if isinstance(merge, str) else (merge[0], "", merge[1])
    return left in names or right in names or left + right in names


def without_prefix(content: Content) -> Content:
    """The same tokenizer, but it adds no blank before a text: for words that continue another."""
    normalizer, pre_tokenizer = content.get("normalizer"), content.get("pre_tokenizer")
    return {
        **content,
        "normalizer": _rewritten(normalizer, lambda part: None if part.get("type") == "Prepend" else part),
        "pre_tokenizer": _rewritten(pre_tokenizer, _unprefixed),
    }


def _unprefixed(part: Mapping[str, Any]) -> Mapping[str, Any]:
    if part.get("type") == "Metaspace":
        kept = {key: value for key, value in part.items() if key != "add_prefix_space"}
        return {**kept, "prepend_scheme": "never"}
    return {**part, "add_prefix_space": False} if part.get("type") == "ByteLevel" else part


def with_lower_case(content: Content, *, lower: bool) -> Content:
    """The same tokenizer, but it lower-cases text, or does not."""

    def change(part: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if part.get("type") == "BertNormalizer":
            return {**part, "lowercase": lower}
        return None if part.get("type") == "Lowercase" and not lower else part

    changed = _rewritten(content.get("normalizer"), change)
    if lower and not lower_cases({**content, "normalizer": changed}):
        rest = [changed] if changed else []
        changed = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, *rest]}
    return {**content, "normalizer": changed}


def lower_cases(content: Content, where: object = "") -> bool:
    """Whether the tokenizer lower-cases text."""
    parts = list(parts_of(content.get("normalizer")))
    if not parts:
        return False
    stub = {"type": "WordPiece", "vocab": {"x": 0}, "unk_token": "x"}
    model = {**stub, "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    normalizer = build({"version": "1.0", "normalizer": content["normalizer"], "model": model}, where).normalizer
    text: str = guarded(lambda: normalizer.normalize_str("ABÀ"), where)
    return text == text.lower()


def parts_of(component: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """A normalizer's or pre-tokenizer's parts, in order."""
    if isinstance(component, Mapping):
        inner = component.get("normalizers", component.get("pretokenizers"))
        if isinstance(inner, list):
            for part in inner:
                yield from parts_of(part)
        else:
            yield component


def _rewritten(
    component: Mapping[str, Any] | None, change: Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
) -> Mapping[str, Any] | None:
    """`component`, with `change` applied to each of its parts; None removes one."""
    if not isinstance(component, Mapping):
        return component
    for key in ("normalizers", "pretokenizers"):
        if isinstance(component.get(key), list):
            parts = [_rewritten(part, change) for part in component[key]]
            return {**component, key: [part for part in parts if part is not None]}
    return change(component)


@dataclass(frozen=True)
class LowerCaseSetting:
    """What a file says: its value of `do_lower_case`."""

    value: bool
    file: Path


def lower_case_setting(paths: Iterable[Path]) -> LowerCaseSetting | None:
    """What the first of the files that speak of it says; None if none does.

    A tokenizer.json among `paths` speaks for itself; otherwise a tokenizer_config.json in their folders is read.

    Args:
        paths: A vocabulary or a tokenizer.json, and pre-trained weights or their folder.

    Raises:
        ConfigError: A file is not valid.
    """
    for path in filter(exists, paths):
        if path.suffix.lower() in (".json", SENTENCEPIECE_SUFFIX) and path.is_file():
            return LowerCaseSetting(lower_cases(read_tokenizer_json(path), path), path)
        config = read_tokenizer_config(path if path.is_dir() else path.parent)
        if config.do_lower_case is not None and config.file is not None:
            return LowerCaseSetting(config.do_lower_case, config.file)
    return None
