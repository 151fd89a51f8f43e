"""Warnings about a run's tokenizer: keys that contradict its own settings, a vocabulary smaller than its embeddings."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from palm.config.encoder import LOWER_CASE
from palm.config.typed import TypedConfig
from palm.data.tokenizer_config import TOKENIZER_CONFIG
from palm.data.tokenizer_json import TOKENIZER_FILE
from palm.errors import Problem


def contradicted_settings(stages: Sequence[TypedConfig]) -> Iterator[Problem]:
    """A warning for each written key that differs from what the tokenizer's own files say."""
    found: dict[Problem, None] = {}
    for config in stages:
        for task in config.tasks:
            written = config.task_values.get(task.name, {}).get(LOWER_CASE)
            below = written.overridden if written else ()
            says = next((each for each in below if Path(each.where).name in (TOKENIZER_CONFIG, TOKENIZER_FILE)), None)
            if written is not None and says is not None and says.value != task.reader.do_lower_case:
                rule = f"`{written.setting.name}` contradicts the encoder's tokenizer, and takes precedence."
                values = f"{str(task.reader.do_lower_case).lower()}, and {str(says.value).lower()} in {says.where}"
                advice = "Remove the key, unless the weights were trained like that."
                found[Problem(written.setting.where, f"{rule} Found {values}. {advice}")] = None
    yield from found


def smaller_vocabulary(config: TypedConfig) -> Iterator[Problem]:
    """A warning if rows of the embedding table have no token: a vocab.txt may have lost lines.

    A tokenizer.json and an spm.model give each token its id, and the tables of XLM-R are longer than its vocabulary.
    """
    path = config.run.vocab_path if config.run else None
    if config.tokenizer is None or config.backbone is None or (path or "").lower().endswith((".json", ".model")):
        return
    tokens, rows = config.tokenizer.vocab_size, config.backbone.config.vocab_size
    if tokens < rows:
        rule = "a token's id is its line in the vocabulary, and its row in the embedding table."
        found = f"Found {tokens} tokens for {rows} rows (vocab_size)."
        advice = "If lines were removed, such as empty ones, restore them: all later ids have shifted."
        yield Problem(path or "vocab_path", f"{rule} {found} {advice}")
