"""The form of a backbone in transformers: names of its parameters and of its heads, and its classes."""

from dataclasses import dataclass

Rules = tuple[tuple[str, str], ...]

EMBEDDING_NAMES: Rules = ((r"embeddings\.layer_norm\.(\w+)", r"embeddings.LayerNorm.\1"),)
FEED_FORWARD_NAMES: Rules = (
    (r"encoder\.layers\.(\d+)\.ffn\.intermediate\.(\w+)", r"encoder.layer.\1.intermediate.dense.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.output\.(\w+)", r"encoder.layer.\1.output.dense.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.layer_norm\.(\w+)", r"encoder.layer.\1.output.LayerNorm.\2"),
)
BERT_NAMES: Rules = (
    *EMBEDDING_NAMES,
    (r"encoder\.layers\.(\d+)\.attention\.(query|key|value)\.(\w+)", r"encoder.layer.\1.attention.self.\2.\3"),
    (r"encoder\.layers\.(\d+)\.attention\.output\.(\w+)", r"encoder.layer.\1.attention.output.dense.\2"),
    (r"encoder\.layers\.(\d+)\.attention\.layer_norm\.(\w+)", r"encoder.layer.\1.attention.output.LayerNorm.\2"),
    *FEED_FORWARD_NAMES,
)

BERT_MLM = ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias")
ROBERTA_MLM = ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias")
TWO_LAYERS = ("classifier.dense", "classifier.out_proj")


@dataclass(frozen=True)
class TransformersForm:
    """A backbone in transformers.

    Attributes:
        class_name: The start of its classes' names.
        names: Patterns of PALM's names, and theirs within the encoder; other names are the same.
        mlm: Their names of the masked-language-model head's `transform`, `layer_norm` and `bias`.
        pooler: Whether the encoder has a pooler.
        classifier: Their names of the pooler and of the linear layer in a classifier of texts; None: as in BERT.
    """

    class_name: str
    names: Rules = BERT_NAMES
    mlm: tuple[str, str, str] = BERT_MLM
    pooler: bool = True
    classifier: tuple[str, str] | None = None
