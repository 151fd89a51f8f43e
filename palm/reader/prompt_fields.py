"""Keys of the reader `prompt`, and what they name: a prompt file, and a file of labels."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from palm.data.dataset import LabelMap
from palm.data.prompt_encoding import PromptEncoding, PromptSettings
from palm.data.prompt_form import PromptEncoder
from palm.data.prompt_literal import parse_mapping
from palm.data.prompt_template import DEFAULT_PROMPT, PromptTemplate, parse_template
from palm.data.tokenizer import Tokenizer
from palm.errors import ConfigError, DataError, Problem
from palm.reader.column_names import LABELS, TEXTS, ColumnGuess
from palm.reader.gold import TextLabelFields
from palm.reader.label_words import labels_with_words, read_label_words, read_prompt_file, words_by_label
from palm.schema.facts import ON, Key, when
from palm.schema.fields import Int, TrainPath


def _label_words(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`{label: word}`, also written as text, as label → words."""
    if value is None:
        return {}
    return words_by_label(parse_mapping(value) if isinstance(value, str) else value)


class PromptReaderConfig(TextLabelFields):
    """Keys of the reader `prompt`."""

    known_columns: ClassVar[tuple[str, ...]] = ("label", "text_a", "text_b")
    known_formats: ClassVar[tuple[str, ...]] = (*TextLabelFields.known_formats, "text")
    guesses: ClassVar[tuple[ColumnGuess, ...]] = (TEXTS, LABELS)

    prompt: Annotated[str | None, Key(export="kept")] = Field(
        None,
        min_length=1,
        description="The template: free text and parts such as `{'text': 'text_a'}`, `{'mask'}` and `{'soft'}`. "
        "Without a text, text_a is put in front; without a mask, one stands at the end. By default "
        "`{'soft'}{'text': 'text_a'}{'mask'}`.",
    )
    prompt_kind: Annotated[Literal["hard", "soft"], Key(export="kept")] = Field(
        "hard",
        description="Whether the words of the prompt stay words (`hard`), or become learned vectors that start from "
        "their embeddings (`soft`).",
    )
    prompt_path: Annotated[TrainPath, Key(export="kept")] = Field(
        None,
        description='JSON file of prompts, `{"template": [{"text": …}], "verbalizer": [{label: word}]}`, instead of '
        "`prompt` and `label_words`.",
    )
    prompt_index: Annotated[Int, Key(read=(when(prompt_path=ON),), export="kept")] = Field(
        0, ge=0, description="Which template of prompt_path, from 0."
    )
    label_file: Annotated[TrainPath, Key(export="kept")] = Field(
        None,
        description="File of all labels, one `label` or `label==word` a line; a label on several lines has several "
        "words, and one without a word is its own. By default the labels are those of train_file.",
    )
    label_words: Annotated[dict[str, list[str]], BeforeValidator(_label_words), Key(export="kept")] = Field(
        default_factory=dict,
        description="The words that stand for labels in the prompt, instead of label_file: `{good: 好, bad: [差]}`.",
    )
    soft_encoder: Annotated[PromptEncoder, Key(export="kept")] = Field(
        "lstm",
        description="What soft vectors pass through unless the prompt says it: a bidirectional `lstm`, an `mlp`, or "
        "`none`.",
    )
    encoder_hidden_size: Annotated[Int, Key(export="kept")] = Field(
        200, ge=1, description="Width of the encoder of soft vectors."
    )
    truncate_mode: Literal["tail", "head", "manual"] = Field(
        "tail",
        description="Which end of a text is cut if the sequence is too long: `tail`, `head`, or `manual`: texts are "
        "cut at their end to first_max_length and other_max_length. The prompt is never cut.",
    )
    first_max_length: Annotated[Int | None, Key(read=(when(truncate_mode="manual"),))] = Field(
        None, ge=1, description="Tokens of the first text that are kept."
    )
    other_max_length: Annotated[Int | None, Key(read=(when(truncate_mode="manual"),))] = Field(
        None, ge=1, description="Tokens of each further text that are kept."
    )

    @field_validator("label_kind")
    @classmethod
    def _check_label_kind(cls, label_kind: str) -> str:
        if label_kind == "number":
            raise ValueError("a prompt is answered by words of labels: `class` or `several` is expected")
        return label_kind

    @field_validator("prompt")
    @classmethod
    def _check_prompt(cls, prompt: str | None) -> str | None:
        if prompt is not None:
            parse_template(prompt, soft=False)
        return prompt


def with_prompt_file(config: PromptReaderConfig) -> PromptReaderConfig:
    """The keys with the content of prompt_path in place of it, so that an exported model needs no file.

    Raises:
        ConfigError: `prompt` or the words of labels are set as well; or the file is missing or not valid.
    """
    if config.prompt_path is None:
        return config
    if config.prompt is not None:
        rule = "the prompt stands in one place, `prompt` or prompt_path. Found both. Remove one."
        raise ConfigError(Problem("prompt_path", rule))
    with _as_config_error():
        entry = read_prompt_file(Path(config.prompt_path), config.prompt_index)
    if entry.words and (config.label_words or config.label_file is not None):
        other = "label_words" if config.label_words else "label_file"
        rule = f"label words stand in one place, found some in prompt_path and in {other}. Remove one."
        raise ConfigError(Problem("prompt_path", rule))
    update = {"prompt": entry.prompt, "label_words": entry.words or config.label_words}
    return config.model_copy(update={**update, "prompt_path": None, "prompt_index": 0})


def listed_labels(config: PromptReaderConfig, template: PromptTemplate) -> LabelMap | None:
    """The labels of label_file, or of the file or list under `options`; None if train_file has them.

    Raises:
        ConfigError: Labels stand in more than one place; or the file is missing or not valid.
    """
    part = template.options
    options = None if part is None else part.options
    if config.label_file is not None and (config.label_words or options is not None):
        other = "label_words" if config.label_words else "options of the prompt"
        rule = f"labels stand in one place, found label_file and {other}. Remove one."
        raise ConfigError(Problem("label_file", rule))
    file = options if isinstance(options, str) else config.label_file
    if file is None and options is None:
        return None
    names: Mapping[str, Sequence[str]] = {name: (name,) for name in options or () if file is None}
    if file is not None:
        with _as_config_error():
            names = read_label_words(Path(file))
    return labels_with_words((), {**names, **config.label_words}, config.n_classes)


@contextmanager
def _as_config_error() -> Iterator[None]:
    """Report a file that a key names like a problem of the key."""
    try:
        yield
    except DataError as error:
        raise ConfigError(error.problems) from error
    except OSError as error:
        rule = "a file of labels or of prompts is readable text."
        raise ConfigError(Problem(str(error.filename), f"{rule} Found: {error.strerror}. Correct the path.")) from error


def encoding_of(config: PromptReaderConfig, tokenizer: Tokenizer) -> PromptEncoding:
    """The prompt in the tokens of an encoder.

    Raises:
        ConfigError: It is not valid, does not fit the tokenizer, or is too long.
    """
    settings = PromptSettings(
        config.max_seq_len, config.truncate_mode, config.first_max_length, config.other_max_length,
        config.soft_encoder, config.encoder_hidden_size,
    )  # fmt: skip
    try:
        template = parse_template(config.prompt or DEFAULT_PROMPT, soft=config.prompt_kind == "soft")
        encoding = PromptEncoding(template, tokenizer, settings)
    except ValueError as error:
        raise ConfigError(Problem("prompt", str(error))) from error
    if template.options is not None and config.label_kind != "class":
        rule = "options are candidates of which one is right, found label_kind: several. Use a mask."
        raise ConfigError(Problem("prompt", rule))
    farthest = max((part.position or 0 for part in template.parts), default=0)
    if farthest >= config.max_seq_len:
        rule = f"positions are below max_seq_len, {config.max_seq_len}. Found `position`: {farthest}"
        raise ConfigError(Problem("prompt", f"{rule}. Lower it, or raise max_seq_len."))
    if encoding.room < 1:
        needed = config.max_seq_len - encoding.room
        rule = "a sequence needs room for text beside the prompt, which is never cut"
        found = f"{needed} tokens of the prompt and special ones, and max_seq_len: {config.max_seq_len}"
        raise ConfigError(Problem("max_seq_len", f"{rule}. Found {found}. Raise max_seq_len."))
    return encoding
