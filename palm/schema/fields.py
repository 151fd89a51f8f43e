"""Typed fields that a configuration may hold, shared by everything that declares keys.

Each component subclasses one of the bases here with the keys of its own. A key has one type and one meaning wherever
it is declared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Lt, MinLen
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WrapValidator, field_validator

from palm.schema.facts import Key, KeyFacts, complete_facts, facts_of, keys_where, when


@dataclass(frozen=True)
class InputFile:
    """Marks a key whose value is a path to read, looked up as `palm.config.merge` says.

    Attributes:
        needed_for: When the path must exist; otherwise a path that is not there passes.
        folder: Whether it may be a folder.

    """

    needed_for: Literal["train", "predict", "nothing"]
    folder: bool = False


def split_list(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`"1.0, 0.5"` → `["1.0", "0.5"]`, `3` → `[3]`; lists pass."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    if isinstance(value, int | float):
        return [value]
    return value


def no_bool(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """Refuse `true` where a number is wanted: pydantic would read it as 1."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted")  # noqa: TRY004 (pydantic reports ValueError)
    return value


def weights(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`"intent: 1, slots.f1: 0.5"` → `{"intent": "1", "slots.f1": "0.5"}`; names without a weight have 1."""
    listed = split_list(value.strip().removeprefix("{").removesuffix("}")) if isinstance(value, str) else value
    if not isinstance(listed, list):
        return value
    pairs = [str(item).partition(":") for item in listed]
    names = [name.strip() for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError("a name has one weight.")
    return {name.strip(): weight.strip() if colon else 1.0 for name, colon, weight in pairs}


def no_zero(value: float) -> float:
    """Refuse a weight of 0: it says nothing."""
    if value == 0:
        raise ValueError("a weight is not 0: leave out what does not count.")
    return value


def computable(value: Any, typed: Callable[[Any], float]) -> float:  # noqa: ANN401 (whatever YAML gave)
    """A number by `typed`; no flag, and none that no computation holds: beyond 31 bits if whole, else beyond 1e30."""
    number = typed(no_bool(value))
    if abs(number) > (LARGEST_INT if isinstance(number, int) else LARGEST_FLOAT):
        raise ValueError(f"numbers go up to {LARGEST_FLOAT:g}, whole ones up to {LARGEST_INT}.")
    return number


LARGEST_INT, LARGEST_FLOAT = 2**31 - 1, 1e30
Kernels = Literal["auto", "fused", "plain"]
Sharing = Literal["hard", "adapter", "lora", "private", "private_layers", "soft"]
Int = Annotated[int, WrapValidator(computable)]
Seed = Annotated[int, BeforeValidator(no_bool), Lt(2**63)]
Float = Annotated[float, WrapValidator(computable)]
Names = Annotated[list[str], BeforeValidator(split_list)]
Numbers = Annotated[list[Float], BeforeValidator(split_list)]
Flags = Annotated[list[bool], BeforeValidator(split_list)]
Weights = Annotated[dict[str, Annotated[Float, AfterValidator(no_zero)]], BeforeValidator(weights), MinLen(1)]
TrainPath = Annotated[str | None, InputFile("train")]
PredictPath = Annotated[str | None, InputFile("predict")]
TrainFolder = Annotated[str | None, InputFile("train", folder=True)]
OptionalFolder = Annotated[str | None, InputFile("nothing", folder=True)]


class Schema(BaseModel):
    """Base of every set of keys: frozen, typed, and blind to keys of others.

    Each key has its facts among the metadata of its field: those that its `Key` gives, and for the rest those of the
    same key in a base, else `key_facts`.
    """

    key_facts: ClassVar[KeyFacts | None] = None
    """What holds for the keys of the class where these do not say otherwise."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        validate_default=True,
        protected_namespaces=(),
        coerce_numbers_to_str=True,  # a task called 2020, a tag of 0
        allow_inf_nan=False,
        defer_build=True,  # validators are compiled at first use, so that the command line starts fast
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **_kwargs: object) -> None:
        """Complete the facts of the keys, those of a user's schema included."""
        for name, key in cls.model_fields.items():
            complete_facts(key, _inherited_facts(cls, name) or cls.key_facts)


def _inherited_facts(schema: type[Schema], name: str) -> KeyFacts | None:
    bases = (base for base in schema.__mro__[1:] if issubclass(base, Schema) and name in base.model_fields)
    return next((facts_of(base.model_fields[name]) for base in bases), None)


def exported_keys(config: Schema) -> dict[str, Any]:
    """The keys of `config` that go with a model, as plain data: no paths, and nothing of how this machine computes."""
    return config.model_dump(exclude=set(keys_where(type(config).model_fields, export="no")))


class ReaderFields(Schema):
    """Keys that every reader takes."""

    key_facts = KeyFacts(scope="task")

    max_seq_len: Int = Field(128, ge=3, description="Longest sequence in word-pieces, [CLS] and [SEP] included.")
    do_lower_case: Annotated[bool, Key(export="fixed")] = Field(
        False, description="Lower-case the text and strip accents (uncased vocabularies)."
    )
    for_cn: Annotated[bool, Key(export="fixed")] = Field(
        False, description="Chinese mode: answers and tags are handled by character."
    )
    file_format: Literal["auto", "tsv", "jsonl", "json", "conll"] = Field(
        "auto", description="`tsv`, `jsonl`, `json` (SQuAD) or `conll`; `auto` goes by the file's ending."
    )


class ClassCountFields(Schema):
    """The key of a reader or paradigm with classes."""

    key_facts = KeyFacts(scope="task")

    n_classes: Annotated[Int | None, Key(read=(when(label_kind=("class", "several")),))] = Field(
        None, ge=1, description="Number of classes; when unset, as many as the training file has."
    )


class BackboneFields(Schema):
    """Sizes of an encoder, by the names of its `config.json`: all stages share what a weight depends on."""

    key_facts = KeyFacts(scope="run")

    vocab_size: Int = Field(ge=1, description="Rows of the word embedding table.")
    hidden_size: Int = Field(ge=1, description="Width of the encoder.")
    num_hidden_layers: Int = Field(ge=1, le=1000, description="Number of encoder layers.")
    num_attention_heads: Int = Field(ge=1, description="Attention heads a layer; they divide hidden_size.")
    intermediate_size: Int | None = Field(
        None, ge=1, description="Width of the feed-forward layer; 4 × hidden_size when unset."
    )
    hidden_act: Literal["gelu", "relu", "tanh"] = Field("gelu", description="`gelu` (exact), `relu` or `tanh`.")
    hidden_dropout_prob: Annotated[Float, Key(scope="stage")] = Field(
        0.1, ge=0, lt=1, description="Dropout after embeddings and sub-layers."
    )
    attention_probs_dropout_prob: Annotated[Float, Key(scope="stage")] = Field(
        0.1, ge=0, lt=1, description="Dropout of attention probabilities."
    )
    max_position_embeddings: Int = Field(512, ge=1, description="Longest sequence the position table allows.")
    type_vocab_size: Int = Field(2, ge=1, description="Number of segment ids.")
    initializer_range: Annotated[Float, Key(scope="stage")] = Field(
        0.02, gt=0, description="Standard deviation of freshly drawn weights."
    )
    layer_norm_eps: Float = Field(1e-12, gt=0, description="Epsilon of layer normalisation.")
    kernels: Annotated[Kernels, Key(scope="stage", export="no")] = Field(
        "auto",
        description="What computes on the CPU: `fused` C kernels, `plain` Paddle operations, or `auto`, the fastest.",
    )
    recompute: Annotated[bool, Key(scope="stage", export="no")] = Field(
        False, description="Compute encoder layers again in the backward pass: less memory, a third more time."
    )


_BOTTLENECKS = when(sharing=("adapter", "lora", "private"))
_COPIES = when(sharing=("private_layers", "soft"))


class ParadigmFields(Schema):
    """Keys that every paradigm takes."""

    key_facts = KeyFacts(scope="task")

    dropout_prob: Float = Field(0.1, ge=0, lt=1, description="Dropout in front of the head.")
    initializer_range: Float = Field(0.02, gt=0, description="Standard deviation of freshly drawn weights.")
    layers: Names = Field(
        default_factory=lambda: ["last"],
        description="Encoder layers that feed the head: `last` (or the one that `layer` names), `mix` (a learned mix "
        "of all), or the indices of those to mix, such as `0, 3, -1`.",
    )
    sharing: Annotated[Sharing, Key(export="kept")] = Field(
        "hard",
        description="What the head has of its own inside the shared encoder: nothing (`hard`), an `adapter` after each "
        "layer, low-rank changes of queries and values (`lora`), a gated `private` bottleneck beside each layer, or a "
        "gated stack of whole layers beside the last ones (`private_layers`); or layers of its own instead of the "
        "shared ones, which soft_sharing_weight keeps near each other (`soft`).",
    )
    sharing_size: Annotated[Int | None, Key(read=(_BOTTLENECKS,), export="kept")] = Field(
        None, ge=1, description="Width of these bottlenecks (64 when unset), or the rank of `lora` (8)."
    )
    sharing_layers: Annotated[Int | None, Key(read=(_COPIES,), export="kept")] = Field(
        None,
        ge=1,
        description="How many encoder layers, from the last, `private_layers` (2 when unset) or `soft` (all) copies.",
    )

    @field_validator("layers")
    @classmethod
    def _check_layers(cls, layers: list[str]) -> list[str]:
        if layers not in (["last"], ["mix"]) and not (len(layers) > 1 and all(map(_is_index, layers))):
            rule = "`last`, `mix`, or at least two indices such as `0, 3, -1` are wanted"
            raise ValueError(f"{rule}, found `{', '.join(layers)}`; a single layer is `layer: 3`")
        return layers

    def copied_layers(self, depth: int) -> int:
        """How many of `depth` encoder layers the head has copies of."""
        usual = {"private_layers": 2, "soft": depth}
        return min(depth, self.sharing_layers or usual[self.sharing]) if self.sharing in usual else 0

    def last_shared_layer(self, depth: int, layer: int) -> int:
        """Number of the last layer that the head's gradient reaches and others share; -1 where there is none."""
        fed = max(self.mixed_layers(depth), default=layer % depth)
        return min(fed, depth - self.copied_layers(depth) - 1) if self.sharing == "soft" else fed

    def mixed_layers(self, depth: int) -> list[int]:
        """Numbers of the layers that a head on `depth` layers mixes, ascending; none where one layer feeds it."""
        if self.layers == ["last"]:
            return []
        return list(range(depth)) if self.layers == ["mix"] else sorted({int(index) % depth for index in self.layers})


def _is_index(value: str) -> bool:
    return value.removeprefix("-").isdecimal()
