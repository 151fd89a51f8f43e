"""The keys of the backbone `deberta`."""

from typing import Annotated, Any, final

from pydantic import BeforeValidator, Field, field_validator, model_validator

from palm.schema.fields import Activation, BackboneFields, Float, Int, MlmHead

_TERMS = ("c2p", "p2c")


def _terms(value: Any) -> Any:  # noqa: ANN401 (whatever JSON gave)
    """`"p2c|c2p"` → `["p2c", "c2p"]`; nothing → `[]`."""
    if value is None:
        return []
    return [term.strip() for term in value.lower().split("|") if term.strip()] if isinstance(value, str) else value


@final
class DebertaConfig(BackboneFields):
    """Keys of the backbone `deberta`, named as in its config.json."""

    layer_norm_eps: Float = Field(1e-7, gt=0, description="Epsilon of layer normalisation.")
    type_vocab_size: Int = Field(0, ge=0, description="Number of segment ids; 0 for an encoder without.")
    embedding_size: Int | None = Field(None, ge=1, description="Width of the embeddings; hidden_size by default.")
    position_biased_input: bool = Field(True, description="Add embeddings of positions to those of words.")
    relative_attention: bool = Field(False, description="Attention by relative position besides content.")
    pos_att_type: Annotated[list[str], BeforeValidator(_terms)] = Field(
        default_factory=list,
        description="What relative positions are compared with: `c2p`, the query's content, and `p2c`, the key's.",
    )
    max_relative_positions: Int = Field(
        -1, description="Largest distance with a vector of its own; below 1, max_position_embeddings."
    )
    position_buckets: Int = Field(
        -1, description="Vectors of distances of one sign, far ones shared; below 1, no sharing."
    )
    share_att_key: bool = Field(False, description="Relative positions go through the projections of content.")
    norm_rel_ebd: str = Field("none", description="`layer_norm` normalises the vectors of relative positions.")
    conv_kernel_size: Int = Field(0, ge=0, description="Width of a convolution beside the first layer; 0 for none.")
    conv_groups: Int = Field(1, ge=1, description="Groups of this convolution.")
    conv_act: Activation = Field("tanh", description="The activation after it.")
    attention_head_size: Int | None = Field(None, ge=1, description="Width of an attention head.")
    pooler_hidden_size: Int | None = Field(None, ge=1, description="Width of the pooler.")
    pooler_hidden_act: Activation = Field("gelu", description="The activation of a text's vector.")
    pooler_dropout: Float = Field(0.0, ge=0, lt=1, description="Dropout of the first token before the pooler.")

    @field_validator("pos_att_type")
    @classmethod
    def _check_terms(cls, terms: list[str]) -> list[str]:
        other = [term for term in terms if term not in _TERMS]
        if other or len(set(terms)) < len(terms):
            raise ValueError(f"`c2p`, `p2c` or both are expected, each once, found `{', '.join(map(str, terms))}`")
        return terms

    @field_validator("norm_rel_ebd")
    @classmethod
    def _check_norm(cls, kind: str) -> str:
        if {part.strip() for part in kind.lower().split("|")} - {"none", "layer_norm", ""}:
            raise ValueError(f"`none` or `layer_norm` is expected, found `{kind}`")
        return kind

    @model_validator(mode="after")
    def _check_sizes(self) -> "DebertaConfig":
        size, whole = self.attention_head_size, self.hidden_size // self.num_attention_heads
        if size is not None and size != whole:
            raise ValueError(f"attention_head_size is hidden_size / num_attention_heads, {whole}, found {size}.")
        if self.pooler_hidden_size not in (None, self.hidden_size):
            raise ValueError(f"pooler_hidden_size is hidden_size, {self.hidden_size}, found {self.pooler_hidden_size}.")
        if self.conv_kernel_size and not self.conv_kernel_size % 2:
            raise ValueError(f"conv_kernel_size is odd, so that no token shifts, found {self.conv_kernel_size}.")
        if (
            self.relative_attention
            and self.position_buckets > 0
            and self.largest_distance <= self.position_buckets // 2 + 1
        ):
            found = f"found {self.largest_distance} and {self.position_buckets}"
            raise ValueError(f"max_relative_positions is above half of position_buckets, {found}.")
        return self

    @property
    def word_size(self) -> int:
        """Width of the embeddings."""
        return self.embedding_size or self.hidden_size

    @property
    def largest_distance(self) -> int:
        """From this distance on all share a vector."""
        return self.max_relative_positions if self.max_relative_positions > 0 else self.max_position_embeddings

    @property
    def span(self) -> int:
        """Number of vectors of distances of one sign."""
        return self.position_buckets if self.position_buckets > 0 else self.largest_distance

    @property
    def normalised_distances(self) -> bool:
        """Whether the vectors of distances are normalised."""
        return "layer_norm" in self.norm_rel_ebd.lower()

    def longest_sequence(self) -> int | None:
        return self.max_position_embeddings if self.position_biased_input else None

    def compares(self, term: str) -> bool:
        """Whether attention has this term of relative positions."""
        return self.relative_attention and term in self.pos_att_type

    def mlm_head(self) -> MlmHead:
        return MlmHead(self.word_size, self.hidden_act)
