"""The keys of the backbone `modernbert`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, final

from pydantic import Field, field_validator, model_validator

from palm.schema.facts import Key
from palm.schema.fields import Activation, BackboneFields, Float, Int, MlmHead

_LAYER_TYPES = ("full_attention", "sliding_attention")


@final
class ModernBertConfig(BackboneFields):
    """Keys of the backbone `modernbert`, named as in its config.json; biases are off as in what is published."""

    hidden_dropout_prob: Annotated[Float, Key(scope="stage")] = Field(
        0.0, ge=0, lt=1, description="Dropout after embeddings and sub-layers."
    )
    attention_probs_dropout_prob: Annotated[Float, Key(scope="stage")] = Field(
        0.0, ge=0, lt=1, description="Dropout of attention probabilities."
    )
    layer_norm_eps: Float = Field(1e-5, gt=0, description="Epsilon of layer normalisation.")
    max_position_embeddings: Int = Field(8192, ge=1, description="Longest sequence the position table allows.")
    type_vocab_size: Int = Field(0, ge=0, description="Number of segment ids; 0 for an encoder without.")
    embedding_dropout: Annotated[Float | None, Key(scope="stage")] = Field(
        None, ge=0, lt=1, description="Dropout after the embeddings; hidden_dropout_prob by default."
    )
    mlp_dropout: Annotated[Float | None, Key(scope="stage")] = Field(
        None, ge=0, lt=1, description="Dropout inside the feed-forward part; hidden_dropout_prob by default."
    )
    local_attention: Int = Field(128, ge=2, description="Tokens that layers with local attention see, half on a side.")
    global_attn_every_n_layers: Int = Field(3, ge=1, description="Every n-th layer, from the first, sees all tokens.")
    layer_types: list[str] | None = Field(
        None,
        description="`full_attention` or `sliding_attention` for each layer, instead of global_attn_every_n_layers.",
    )
    global_rope_theta: Float = Field(160_000.0, gt=0, description="Base of the rotation in layers that see all tokens.")
    local_rope_theta: Float = Field(10_000.0, gt=0, description="Base of the rotation in layers with local attention.")
    rope_parameters: dict[str, Any] | None = Field(
        None, description="Both bases as newer versions of transformers write them: `rope_theta` by type of layer."
    )
    norm_bias: bool = Field(False, description="Biases in layer normalisation.")
    attention_bias: bool = Field(False, description="Biases in attention.")
    mlp_bias: bool = Field(False, description="Biases in the feed-forward part.")
    classifier_pooling: Literal["cls", "mean"] = Field(
        "cls", description="What a text's vector is made of: the first token or the mean of all."
    )
    classifier_bias: bool = Field(False, description="A bias in the projection of a text's vector.")
    classifier_activation: Activation = Field("gelu", description="The activation after this projection.")
    decoder_bias: bool = Field(True, description="A bias per token in the masked language model head.")

    @field_validator("layer_types")
    @classmethod
    def _check_layer_types(cls, types: list[str] | None) -> list[str] | None:
        other = [kind for kind in types or () if kind not in _LAYER_TYPES]
        if other:
            raise ValueError(f"{' or '.join(f'`{kind}`' for kind in _LAYER_TYPES)} for each layer, found `{other[0]}`")
        return types

    @field_validator("rope_parameters")
    @classmethod
    def _check_rope(cls, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        for kind, values in (parameters or {}).items():
            rule = "rotations of the type `default` for full_attention and sliding_attention alone are computed"
            found = values.get("rope_type", "default") if isinstance(values, Mapping) else values
            if kind not in _LAYER_TYPES or found not in ("default", None):
                raise ValueError(f"{rule}, found `{kind}: {found}`")
        return parameters

    @model_validator(mode="after")
    def _check_sizes(self) -> "ModernBertConfig":
        if self.layer_types is not None and len(self.layer_types) != self.num_hidden_layers:
            found = f"found {len(self.layer_types)} for {self.num_hidden_layers}"
            raise ValueError(
                f"layer_types has one entry for each of num_hidden_layers, {found}. Remove it or complete it."
            )
        if self.type_vocab_size:
            raise ValueError(f"type_vocab_size is 0: this encoder has no segments, found {self.type_vocab_size}.")
        if self.hidden_size // self.num_attention_heads % 2:
            found = f"found {self.hidden_size} and {self.num_attention_heads}"
            raise ValueError(f"hidden_size / num_attention_heads is even, since positions rotate pairs, {found}.")
        return self

    @property
    def inner_size(self) -> int:
        """Width of the feed-forward part."""
        return self.intermediate_size or 4 * self.hidden_size

    @property
    def dropout_of_embeddings(self) -> float:
        """Dropout after the embeddings."""
        return self.hidden_dropout_prob if self.embedding_dropout is None else self.embedding_dropout

    @property
    def dropout_of_ffn(self) -> float:
        """Dropout inside the feed-forward part."""
        return self.hidden_dropout_prob if self.mlp_dropout is None else self.mlp_dropout

    @property
    def thetas(self) -> tuple[float, float]:
        """Base of the rotation in layers that see all tokens, and in those with local attention."""
        given = [(self.rope_parameters or {}).get(kind) or {} for kind in _LAYER_TYPES]
        usual = (self.global_rope_theta, self.local_rope_theta)
        whole, local = (float(values.get("rope_theta", base)) for values, base in zip(given, usual, strict=True))
        return whole, local

    def is_local(self, number: int) -> bool:
        """Whether the layer `number`, from 0, has local attention."""
        if self.layer_types is not None:
            return self.layer_types[number] == "sliding_attention"
        return number % self.global_attn_every_n_layers != 0

    def has_dropout(self) -> bool:
        return bool(self.dropout_of_embeddings or self.dropout_of_ffn or self.attention_probs_dropout_prob)

    def mlm_head(self) -> MlmHead:
        return MlmHead(
            self.hidden_size,
            self.classifier_activation,
            transform_bias=self.classifier_bias,
            norm_bias=self.norm_bias,
            decoder_bias=self.decoder_bias,
        )
