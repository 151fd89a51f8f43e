"""Words to substitute or insert from a masked language model: an encoder with its head, or a trained `mlm` task."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from palm.backbone.base import BACKBONES
from palm.config.encoder import fetch_encoder_weights
from palm.config.resolve import load_run_configs
from palm.config.run_config import RunConfig
from palm.data.augmentation import MOST_CHANGED, OpenText, Proposals, WordSource, is_chinese
from palm.data.tokenizer import Tokenizer
from palm.data.vocab import MASK
from palm.engine.model import MultiTaskModel
from palm.engine.predict import Compute, computation, run_with
from palm.engine.pretrain import backbone_config_for, load_pretrained_weights
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError, ConfigError, Problem
from palm.inference.exported import model_folder
from palm.inference.load import load
from palm.inference.run_predictor import RunPredictor
from palm.inference.runtime import compute_with
from palm.paradigm.base import PARADIGMS
from palm.pretrained.load import load_pretrained
from palm.reader.base import READERS, Reader
from palm.reader.formats.row_table import RowTable, keep_rows
from palm.reader.loading import load_rows

MOST_TOKENS = 512
TOP_K = 20
"""Tokens that are sampled from for each position."""

_SHORTEST = 8  # of sequences while the longest of the encoder is not known
_BLANK = "▁"


@final
class MaskedWords(WordSource):
    """A masked language model: it sees a text with [MASK] in each opening, and proposes whole words.

    Never special tokens, punctuation, tokens that continue a word, or the word itself; a Chinese character in place of
    one, and a word of letters in place of any other.

    Args:
        task: A task that predicts tokens.
        compute: Computes its head.
    """

    def __init__(self, task: TaskInstance, compute: Compute) -> None:
        self._task, self._compute = task, compute
        self._tokenizer = task.reader.tokenizer
        self._words = _whole_words(self._tokenizer)

    def readable(self, texts: Sequence[str]) -> list[int]:
        """The characters of each text that fit the encoder, with room for inserted words; none of one with [MASK]."""
        room = self._task.reader.config.max_seq_len - self._tokenizer.single.num_special - MOST_CHANGED
        found = []
        masked = self._tokenizer.encode_ids(texts, keep_mask=True)
        for text, tokens, ids in zip(texts, self._tokenizer.encode(texts), masked, strict=True):
            if self._tokenizer.mask_id in ids:
                found.append(0)
            elif len(tokens.ids) <= max(room, 0):
                found.append(len(text))
            else:
                found.append(tokens.offsets[room - 1][1] if room > 0 else 0)
        return found

    def knows(self, word: str) -> bool:
        """Any word: the model goes by the others."""
        return True

    def propose(self, texts: Sequence[OpenText]) -> list[list[Proposals]]:
        """Words for each opening, with their probabilities; batch by batch."""
        if not texts:
            return []
        rows = [{"text_a": text.filled([MASK] * len(text.openings))} for text in texts]
        dataset = load_rows(self._task.reader, rows, "predict")
        predictions = run_with(self._compute, self._task, dataset, "predict").predictions
        proposed = map(self._task.paradigm.proposed_tokens, predictions)
        return [
            [self._usable(tokens, text.word_at(number)) for number, tokens in enumerate(found)]
            for text, found in zip(texts, proposed, strict=True)
        ]

    def _usable(self, tokens: Sequence[tuple[int, float]], old: str) -> Proposals:
        """The tokens that may stand in place of a word, or beside it, as words."""
        words = [(self._words[number], probability) for number, probability in tokens]
        fitting = [(word, each) for word, each in words if word and is_chinese(word) == is_chinese(old)]
        return [(_cased(word, old), each) for word, each in fitting if word.casefold() != old.casefold()]


def load_masked_words(encoder: str) -> MaskedWords:
    """The masked language model `encoder`.

    Args:
        encoder: What the key `encoder` takes: `owner/model`, a folder, a name; or a task of a run that predicts tokens,
            `RUN/task`.

    Raises:
        ConfigError: It cannot be found, or no task of it predicts tokens.
        CheckpointError: Its weights have no head of a masked language model.
        DownloadError: Its weights cannot be fetched.
    """
    return _trained(encoder) if model_folder(encoder) is not None else _pretrained(encoder)


def _trained(path: str) -> MaskedWords:
    loaded = load(path)
    predictors = list(loaded.values()) if isinstance(loaded, RunPredictor) else [loaded]
    found = next((each for each in predictors if each.paradigm.predicts_tokens), None)
    if found is None:
        rule = "words are proposed by a task that predicts tokens (paradigm mlm)."
        listed = ", ".join(each.task for each in predictors)
        raise ConfigError(Problem("--encoder", f"{rule} Found {listed} in {path}. Name another run, or an encoder."))
    _widen(found.instance)
    return MaskedWords(found.instance, compute_with(found.runtime))


def _pretrained(encoder: str) -> MaskedWords:
    config = _configuration(encoder)
    fetch_encoder_weights(config.run)
    source = config.run.pretrain_model_path
    if source is None:
        raise ConfigError(Problem("--encoder", f"pre-trained weights are expected. Found none for `{encoder}`."))
    backbone = BACKBONES[config.backbone_name]
    weights = load_pretrained(source, backbone)
    backbone_config = backbone_config_for(weights, config.backbone)
    task = _task(config, Path(str(config.run.vocab_path)), backbone_config.longest_sequence())
    _refuse_missing_head(set(weights.tensors), task, encoder)
    model = MultiTaskModel(backbone(backbone_config), [task], seed=0)
    load_pretrained_weights(model, [task], weights)
    return MaskedWords(task, computation(model, None))


def _configuration(encoder: str) -> RunConfig:
    """A run over the encoder with a single task, which is never trained."""
    nothing = RowTable("rows", lambda: iter([MASK]), 1)
    task = {"reader": "mlm", "paradigm": "mlm", "train_file": keep_rows(nothing), "max_seq_len": _SHORTEST}
    keys = {"tasks": {"proposals": {**task, "top_k": TOP_K}}, "encoder": encoder, "use_gpu": False}
    [config] = load_run_configs(keys, overrides=[], wiring=True)
    return config


def _task(config: RunConfig, vocabulary: Path, longest: int | None) -> TaskInstance:
    [task] = config.tasks
    keys = task.reader.model_copy(update={"max_seq_len": min(longest or MOST_TOKENS, MOST_TOKENS)})
    tokenizer = Tokenizer.from_file(vocabulary, do_lower_case=keys.do_lower_case, for_cn=keys.for_cn)
    reader: Reader = READERS[task.reader_name](keys, tokenizer)
    paradigm = PARADIGMS[task.paradigm_name](task.paradigm, None, vocab=tokenizer.readable_tokens)
    return TaskInstance(task.name, task.settings, reader, paradigm, task.head, seed=0)


def _widen(task: TaskInstance) -> None:
    """Let the paradigm of a trained task predict as many tokens as are sampled from."""
    keys = task.paradigm.config
    if "top_k" in type(keys).model_fields:
        task.paradigm.config = keys.model_copy(update={"top_k": TOP_K})


def _refuse_missing_head(names: set[str], task: TaskInstance, encoder: str) -> None:
    prefix = task.paradigm.pretrained_head
    if prefix is not None and not any(name.startswith(prefix) for name in names):
        rule = "words are proposed by a masked language model, whose head is among the weights."
        advice = "Use an encoder that was published with it (…ForMaskedLM), or a task that was trained with it."
        raise CheckpointError(f"{encoder}: {rule} Found none. {advice}")


def _whole_words(tokenizer: Tokenizer) -> list[str]:
    """The word that each token stands for; empty for special tokens, punctuation, and parts of words."""
    continues: NDArray[np.bool_] = tokenizer.continues_word
    words = [token.removeprefix(_BLANK) for token in tokenizer.readable_tokens]
    return [
        word if _is_word(word) and number not in tokenizer.special_ids and not continues[number] else ""
        for number, word in enumerate(words)
    ]


def _is_word(word: str) -> bool:
    return is_chinese(word) or (word.isalpha() and not any(map(is_chinese, word)))


def _cased(word: str, old: str) -> str:
    """A word with a capital letter in place of one with it."""
    return word[:1].upper() + word[1:] if old[:1].isupper() else word
