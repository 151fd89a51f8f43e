"""Typed fields of configurations, shared by everything that declares keys.

Each component subclasses one of the bases here with its own keys. A key has the same type and meaning wherever it is
declared.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Lt, MinLen
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WrapValidator, field_validator

from palm.schema.facts import Key, KeyFacts, complete_facts, facts_of, keys_where, when


@dataclass(frozen=True)
class InputFile:
    """Marks a key whose value is a path to read, looked up as in `palm.config.merge`.

    Attributes:
        needed_for: When the path must exist; otherwise a missing path is accepted.
        folder: Whether it may be a folder.
        data: Whether it may also name a data set that is no file: `hf://…`, or rows of a program.
        percentage: Whether it may be a percentage instead.

    """

    needed_for: Literal["train", "predict", "nothing"]
    folder: bool = False
    data: bool = False
    percentage: bool = False


def split_list(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`"1.0, 0.5"` → `["1.0", "0.5"]`, `3` → `[3]`; lists pass."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    if isinstance(value, int | float):
        return [value]
    return value


def no_bool(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """Refuse `true` for a number: pydantic would read it as 1."""
    if isinstance(value, bool):
        raise ValueError("a number is expected")  # noqa: TRY004 (pydantic reports ValueError)
    return value


def minus_one_is_none(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`-1` → None: Hugging Face's notation for "no limit"."""
    return None if value in (-1, "-1") else value


def _known_encoding(value: str) -> str:
    """Refuse the name of an encoding that Python does not know, or whose content is no text."""
    try:
        "a".encode(value)  # not of an empty text, for which Python looks nothing up
    except (LookupError, ValueError):
        raise ValueError(f"an encoding is expected, such as utf-8, gb18030 or utf-16, found `{value}`") from None
    return "utf-8" if codecs.lookup(value).name == "utf-8" else value


def weights(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`"intent: 1, slots.f1: 0.5"` → `{"intent": "1", "slots.f1": "0.5"}`; names without a weight have 1."""
    listed = split_list(value.strip().removeprefix("{").removesuffix("}")) if isinstance(value, str) else value
    if not isinstance(listed, list):
        return value
    pairs = [str(item).partition(":") for item in listed]
    names = [name.strip() for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("a name must have a single weight.")
    return {name.strip(): weight.strip() if colon else 1.0 for name, colon, weight in pairs}


def no_zero(value: float) -> float:
    """Refuse a weight of 0, which has no effect."""
    if value == 0:
        raise ValueError("a weight must not be 0: remove names that do not count.")
    return value


def computable(value: Any, typed: Callable[[Any], float]) -> float:  # noqa: ANN401 (whatever YAML gave)
    """A number of the type `typed`; not a flag, and limited to 31 bits for integers, else to 1e30."""
    number = typed(no_bool(value))
    if abs(number) > (LARGEST_INT if isinstance(number, int) else LARGEST_FLOAT):
        raise ValueError(f"numbers go up to {LARGEST_FLOAT:g}, whole ones up to {LARGEST_INT}.")
    return number


LARGEST_INT, LARGEST_FLOAT = 2**31 - 1, 1e30
Kernels = Literal["auto", "fused", "plain"]
Precision = Literal["auto", "float32", "bf16", "int8"]
Sharing = Literal["hard", "adapter", "lora", "private", "private_layers", "soft"]
Int = Annotated[int, WrapValidator(computable)]
Seed = Annotated[int, BeforeValidator(no_bool), Lt(2**63)]
Float = Annotated[float, WrapValidator(computable)]
Names = Annotated[list[str], BeforeValidator(split_list)]
Numbers = Annotated[list[Float], BeforeValidator(split_list)]
Flags = Annotated[list[bool], BeforeValidator(split_list)]
Weights = Annotated[dict[str, Annotated[Float, AfterValidator(no_zero)]], BeforeValidator(weights), MinLen(1)]
TrainPath = Annotated[str | None, InputFile("train")]
TrainData = Annotated[str | None, InputFile("train", folder=True, data=True)]
PredictData = Annotated[str | None, InputFile("predict", folder=True, data=True)]
TrainFolder = Annotated[str | None, InputFile("train", folder=True)]
OptionalFolder = Annotated[str | None, InputFile("nothing", folder=True)]


_PERCENTAGE = re.compile(r"\s*(\d{1,3}(?:\.\d+)?)\s*%\s*")


def percentage(value: object) -> float | None:
    """`10%` → 0.1; None for anything else."""
    found = _PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) / 100 if found else None


def _file_or_percentage(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """Refuse a number, and percentages that leave nothing."""
    part = percentage(value)
    if part is not None and not 0 < part < 1:
        raise ValueError("a percentage is above 0% and below 100%")
    if isinstance(value, int | float):
        raise ValueError("a file is expected, or a percentage of train_file such as `10%`")  # noqa: TRY004
    return value.strip() if part is not None else value


DevFile = Annotated[
    str | None, BeforeValidator(_file_or_percentage), InputFile("train", folder=True, data=True, percentage=True)
]


class Schema(BaseModel):
    """Base of every set of keys: frozen, typed, and without other keys.

    Each key has its facts among the metadata of its field: those of its `Key`, otherwise those of the
    same key in a base class, otherwise `key_facts`.
    """

    key_facts: ClassVar[KeyFacts | None] = None
    """Default facts for the keys of the class."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        validate_default=True,
        protected_namespaces=(),
        coerce_numbers_to_str=True,  # a task called 2020, a tag of 0
        allow_inf_nan=False,
        defer_build=True,  # validators are compiled at first use, so that the command line starts quickly
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **_kwargs: object) -> None:
        """Complete the facts of the keys, including those of a user's schema."""
        for name, key in cls.model_fields.items():
            complete_facts(key, _inherited_facts(cls, name) or cls.key_facts)


def _inherited_facts(schema: type[Schema], name: str) -> KeyFacts | None:
    bases = (base for base in schema.__mro__[1:] if issubclass(base, Schema) and name in base.model_fields)
    return next((facts_of(base.model_fields[name]) for base in bases), None)


def exported_keys(config: Schema) -> dict[str, Any]:
    """The keys of `config` that are exported with a model, as plain data: no paths and no settings of this machine."""
    return config.model_dump(exclude=set(keys_where(type(config).model_fields, export="no")))


class ReaderFields(Schema):
    """Keys of all readers."""

    key_facts = KeyFacts(scope="task")

    max_seq_len: Int = Field(128, ge=3, description="Longest sequence in tokens, including [CLS] and [SEP].")
    do_lower_case: Annotated[bool, Key(export="fixed")] = Field(
        False,
        description="Lower-case the text and strip accents (uncased vocabularies). The default is what the encoder's "
        "tokenizer.json or tokenizer_config.json says.",
    )
    for_cn: Annotated[bool, Key(export="fixed")] = Field(
        False, description="Chinese mode: answers and tags are handled by character."
    )
    file_format: Literal["auto", "tsv", "csv", "jsonl", "json", "conll", "text", "lines", "spans"] = Field(
        "auto",
        description="`tsv`, `csv`, `jsonl`, `json` (SQuAD, or a list of rows), `conll` (also CoNLL-U), `lines` "
        "(`word/TAG word/TAG`), `spans` (texts with spans of characters) or `text` (mlm: a text per line); `auto` uses "
        "the file's extension, and what its first lines look like.",
    )
    encoding: Annotated[str, AfterValidator(_known_encoding)] = Field(
        "utf-8", description="Encoding of text files: `utf-8` (with or without BOM), `gb18030` (GBK), `utf-16`, …"
    )


class ClassCountFields(Schema):
    """The key of readers and paradigms with classes."""

    key_facts = KeyFacts(scope="task")

    n_classes: Annotated[Int | None, Key(read=(when(label_kind=("class", "several")),))] = Field(
        None, ge=1, description="Number of classes; by default that of the training file."
    )


TagSchemeName = Literal[
    "bio", "iob2", "iob1", "ioe1", "ioe2", "bios", "bioe", "iobes", "bilou", "bmes", "bmewo", "io", "none"
]
_SCHEME_ALIASES = {"iob": "bio", "ioe": "ioe2", "bioes": "iobes", "bieos": "iobes", "bioul": "bilou", "bieo": "bioe"}


def _scheme_name(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`BIOES` → `iobes`."""
    name = value.lower() if isinstance(value, str) else value
    return _SCHEME_ALIASES.get(name, name) if isinstance(name, str) else name


class TagSchemeFields(Schema):
    """The key of readers and paradigms with a tag per word."""

    key_facts = KeyFacts(scope="task")

    tag_scheme: Annotated[Literal["auto", TagSchemeName], BeforeValidator(_scheme_name)] = Field(
        "auto",
        description="How tags mark spans: `bio` (IOB2; an I that continues nothing starts a span), `iob2` (such an I "
        "is no span), `iob1`, `ioe1`, `ioe2`, `bios`, `bioe`, `iobes`, `bilou`, `bmes`, `bmewo`, `io`, or `none`, as "
        "for parts of speech; `auto` goes by train_file. Their form (B-PER, PER-B, b_per) follows from the tags.",
    )


class PairKindFields(Schema):
    """The key of readers and paradigms of pairs of texts that are embedded one by one."""

    key_facts = KeyFacts(scope="task")

    pair_kind: Annotated[Literal["positive", "scored"], Key(export="fixed")] = Field(
        "positive",
        description="What pairs teach an embedding: `positive` (both texts mean the same; the texts of the other rows "
        "of a batch are the negatives), or `scored` (`label` is the similarity of the two, from -1 to 1).",
    )


class TargetTextFields(Schema):
    """The key of readers and paradigms of texts that a model writes."""

    key_facts = KeyFacts(scope="task")

    max_target_len: Annotated[Int, Key(export="fixed")] = Field(
        64,
        ge=2,
        le=4096,
        description="Most tokens of a text that the model writes, [SEP] at its end included; longer targets are cut.",
    )


Activation = Literal["gelu", "gelu_new", "relu", "tanh"]
_ACTIVATION_ALIASES = {"gelu_python": "gelu", "gelu_pytorch_tanh": "gelu_new", "gelu_fast": "gelu_new"}


def _activation_name(value: Any) -> Any:  # noqa: ANN401 (whatever JSON gave)
    """Transformers' other names of a function."""
    return _ACTIVATION_ALIASES.get(value, value) if isinstance(value, str) else value


@dataclass(frozen=True)
class MlmHead:
    """Form of the masked language model head that an encoder was pre-trained with.

    Attributes:
        width: That of its transform, and of the word embeddings.
        activation: After the transform.
        transform_bias: Whether the transform has a bias,
        norm_bias: layer normalisation has one,
        decoder_bias: and each token has one.
    """

    width: int
    activation: Activation
    transform_bias: bool = True
    norm_bias: bool = True
    decoder_bias: bool = True


class BackboneFields(Schema):
    """Config of an encoder, named as in its `config.json`; all stages share the keys that determine weights."""

    key_facts = KeyFacts(scope="run")

    vocab_size: Int = Field(ge=1, description="Rows of the word embedding table.")
    hidden_size: Int = Field(ge=1, description="Width of the encoder.")
    num_hidden_layers: Int = Field(ge=1, le=1000, description="Number of encoder layers.")
    num_attention_heads: Int = Field(ge=1, description="Attention heads per layer; must divide hidden_size.")
    intermediate_size: Int | None = Field(
        None, ge=1, description="Width of the feed-forward layer; 4 × hidden_size by default."
    )
    hidden_act: Annotated[Activation, BeforeValidator(_activation_name)] = Field(
        "gelu", description="`gelu` (exact), `gelu_new` (approximated by tanh; plain kernels), `relu` or `tanh`."
    )
    hidden_dropout_prob: Annotated[Float, Key(scope="stage")] = Field(
        0.1, ge=0, lt=1, description="Dropout after embeddings and sub-layers."
    )
    attention_probs_dropout_prob: Annotated[Float, Key(scope="stage")] = Field(
        0.1, ge=0, lt=1, description="Dropout of attention probabilities."
    )
    max_position_embeddings: Int = Field(512, ge=1, description="Longest sequence the position table allows.")
    type_vocab_size: Int = Field(2, ge=0, description="Number of segment ids; 0 for an encoder without.")
    initializer_range: Annotated[Float, Key(scope="stage")] = Field(
        0.02, gt=0, description="Standard deviation of the initial weights."
    )
    layer_norm_eps: Float = Field(1e-12, gt=0, description="Epsilon of layer normalisation.")
    kernels: Annotated[Kernels, Key(scope="stage", export="no")] = Field(
        "auto",
        description="Kernels on the CPU: `fused` ones in C, `plain` Paddle operations, or `auto`, the fastest "
        "available.",
    )
    recompute: Annotated[bool, Key(scope="stage", export="no")] = Field(
        False, description="Recompute encoder layers in the backward pass: less memory, a third more time."
    )

    @property
    def inner_size(self) -> int:
        """Width of the feed-forward layer."""
        return self.intermediate_size or 4 * self.hidden_size

    def longest_sequence(self) -> int | None:
        """Tokens of the longest sequence that can be computed; None where positions have no table."""
        return self.max_position_embeddings

    def has_dropout(self) -> bool:
        """Whether two passes in training differ."""
        return bool(self.hidden_dropout_prob or self.attention_probs_dropout_prob)

    def mlm_head(self) -> MlmHead:
        """The form of the masked language model head."""
        return MlmHead(self.hidden_size, self.hidden_act)


_BOTTLENECKS = when(sharing=("adapter", "lora", "private"))
_COPIES = when(sharing=("private_layers", "soft"))


class ParadigmFields(Schema):
    """Keys of all paradigms."""

    key_facts = KeyFacts(scope="task")

    dropout_prob: Float = Field(0.1, ge=0, lt=1, description="Dropout before the head.")
    initializer_range: Float = Field(0.02, gt=0, description="Standard deviation of the initial weights.")
    layers: Annotated[Names, Key(export="fixed")] = Field(
        default_factory=lambda: ["last"],
        description="Encoder layers that feed the head: `last` (or the one that `layer` names), `mix` (a learned mix "
        "of all), or the indices of the layers to mix, such as `0, 3, -1`.",
    )
    sharing: Annotated[Sharing, Key(export="kept")] = Field(
        "hard",
        description="Task-specific parts of the shared encoder: none (`hard`), an `adapter` after each layer, "
        "low-rank updates of queries and values (`lora`), a gated `private` bottleneck beside each layer, or a gated "
        "stack of whole layers beside the last ones (`private_layers`); or the task's own layers instead of the "
        "shared ones, which soft_sharing_weight keeps close to each other (`soft`).",
    )
    sharing_size: Annotated[Int | None, Key(read=(_BOTTLENECKS,), export="kept")] = Field(
        None, ge=1, description="Width of these bottlenecks (default: 64), or the rank of `lora` (8)."
    )
    sharing_layers: Annotated[Int | None, Key(read=(_COPIES,), export="kept")] = Field(
        None,
        ge=1,
        description="Number of encoder layers, counted from the last, that `private_layers` (default: 2) or `soft` "
        "(all) copies.",
    )

    @field_validator("layers")
    @classmethod
    def _check_layers(cls, layers: list[str]) -> list[str]:
        if layers not in (["last"], ["mix"]) and not (len(layers) > 1 and all(map(_is_index, layers))):
            rule = "`last`, `mix`, or at least two indices such as `0, 3, -1` are expected"
            raise ValueError(f"{rule}, found `{', '.join(layers)}`; a single layer is `layer: 3`")
        return layers

    def copied_layers(self, depth: int) -> int:
        """Number of the `depth` encoder layers that the head copies."""
        usual = {"private_layers": 2, "soft": depth}
        return min(depth, self.sharing_layers or usual[self.sharing]) if self.sharing in usual else 0

    def last_shared_layer(self, depth: int, layer: int) -> int:
        """Index of the last shared layer that the head's gradient reaches; -1 if there is none."""
        fed = max(self.mixed_layers(depth), default=layer % depth)
        return min(fed, depth - self.copied_layers(depth) - 1) if self.sharing == "soft" else fed

    def mixed_layers(self, depth: int) -> list[int]:
        """Indices of the layers that a head on `depth` layers mixes, ascending; empty if a single layer feeds it."""
        if self.layers == ["last"]:
            return []
        return list(range(depth)) if self.layers == ["mix"] else sorted({int(index) % depth for index in self.layers})


def _is_index(value: str) -> bool:
    return value.removeprefix("-").isdecimal()
