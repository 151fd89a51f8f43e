"""The form of each backbone in transformers: names of its parameters, its heads, and its config.json."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from palm.backbone.base import BACKBONES
from palm.backbone.distilbert import THEIR_KEYS
from palm.data.vocab import VOCAB_FILE
from palm.errors import CheckpointError
from palm.pretrained.encoder import POSITIONS, ArraysByName, PretrainedEncoder, PretrainedHead, split_qkv
from palm.pretrained.name_maps import is_dense
from palm.schema.fields import BackboneFields, exported_keys

Rules = tuple[tuple[str, str], ...]

_PADDING = ("[PAD]", "<pad>")
_SEQUENCE = "ForSequenceClassification"
_FIXED_EPSILON = 1e-12  # DistilBERT's code has it instead of a key

_EMBEDDINGS: Rules = ((r"embeddings\.layer_norm\.(\w+)", r"embeddings.LayerNorm.\1"),)
_FEED_FORWARD: Rules = (
    (r"encoder\.layers\.(\d+)\.ffn\.intermediate\.(\w+)", r"encoder.layer.\1.intermediate.dense.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.output\.(\w+)", r"encoder.layer.\1.output.dense.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.layer_norm\.(\w+)", r"encoder.layer.\1.output.LayerNorm.\2"),
)
_BERT: Rules = (
    *_EMBEDDINGS,
    (r"encoder\.layers\.(\d+)\.attention\.(query|key|value)\.(\w+)", r"encoder.layer.\1.attention.self.\2.\3"),
    (r"encoder\.layers\.(\d+)\.attention\.output\.(\w+)", r"encoder.layer.\1.attention.output.dense.\2"),
    (r"encoder\.layers\.(\d+)\.attention\.layer_norm\.(\w+)", r"encoder.layer.\1.attention.output.LayerNorm.\2"),
    *_FEED_FORWARD,
    (r"embeddings\.projection\.(\w+)", r"embeddings_project.\1"),
)
_MPNET: Rules = (
    *_EMBEDDINGS,
    (r"encoder\.layers\.(\d+)\.attention\.(q|k|v)\w+\.(weight|bias)", r"encoder.layer.\1.attention.attn.\2.\3"),
    (r"encoder\.layers\.(\d+)\.attention\.output\.(\w+)", r"encoder.layer.\1.attention.attn.o.\2"),
    (r"encoder\.layers\.(\d+)\.attention\.layer_norm\.(\w+)", r"encoder.layer.\1.attention.LayerNorm.\2"),
    *_FEED_FORWARD,
    (r"embeddings\.relative_attention_bias\.weight", r"encoder.relative_attention_bias.weight"),
)
_DISTILBERT: Rules = (
    *_EMBEDDINGS,
    (r"encoder\.layers\.(\d+)\.attention\.(q|k|v)\w+\.(weight|bias)", r"transformer.layer.\1.attention.\2_lin.\3"),
    (r"encoder\.layers\.(\d+)\.attention\.output\.(\w+)", r"transformer.layer.\1.attention.out_lin.\2"),
    (r"encoder\.layers\.(\d+)\.attention\.layer_norm\.(\w+)", r"transformer.layer.\1.sa_layer_norm.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.intermediate\.(\w+)", r"transformer.layer.\1.ffn.lin1.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.output\.(\w+)", r"transformer.layer.\1.ffn.lin2.\2"),
    (r"encoder\.layers\.(\d+)\.ffn\.layer_norm\.(\w+)", r"transformer.layer.\1.output_layer_norm.\2"),
)
_GROUP = r"encoder.albert_layer_groups.\1.albert_layers.0"
_ALBERT: Rules = (
    *_EMBEDDINGS,
    (r"embeddings\.projection\.(\w+)", r"encoder.embedding_hidden_mapping_in.\1"),
    (r"encoder\.groups\.(\d+)\.attention\.(query|key|value)\.(\w+)", rf"{_GROUP}.attention.\2.\3"),
    (r"encoder\.groups\.(\d+)\.attention\.output\.(\w+)", rf"{_GROUP}.attention.dense.\2"),
    (r"encoder\.groups\.(\d+)\.attention\.layer_norm\.(\w+)", rf"{_GROUP}.attention.LayerNorm.\2"),
    (r"encoder\.groups\.(\d+)\.ffn\.intermediate\.(\w+)", rf"{_GROUP}.ffn.\2"),
    (r"encoder\.groups\.(\d+)\.ffn\.output\.(\w+)", rf"{_GROUP}.ffn_output.\2"),
    (r"encoder\.groups\.(\d+)\.ffn\.layer_norm\.(\w+)", rf"{_GROUP}.full_layer_layer_norm.\2"),
    (r"pooler\.dense\.(\w+)", r"pooler.\1"),
)


@dataclass(frozen=True)
class TransformersForm:
    """A backbone in transformers.

    Attributes:
        class_name: The start of its classes' names.
        names: Patterns of PALM's names, and theirs within the encoder.
        mlm: Their names of the masked-language-model head's `transform`, `layer_norm` and `bias`.
        pooler: Whether the encoder has a pooler.
        classifier: Their names of the pooler and of the linear layer in a classifier of texts; None: as in BERT.
    """

    class_name: str
    names: Rules
    mlm: tuple[str, str, str]
    pooler: bool = True
    classifier: tuple[str, str] | None = None


_BERT_MLM = ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias")
_LM_HEAD = ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias")
_ELECTRA_MLM = ("generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head.bias")
_DISTILBERT_MLM = ("vocab_transform", "vocab_layer_norm", "vocab_projector.bias")
_ALBERT_MLM = ("predictions.dense", "predictions.LayerNorm", "predictions.bias")
_TWO_LAYERS = ("classifier.dense", "classifier.out_proj")

FORMS: Mapping[str, TransformersForm] = MappingProxyType(
    {
        "bert": TransformersForm("Bert", _BERT, _BERT_MLM),
        "ernie": TransformersForm("Ernie", _BERT, _BERT_MLM),
        "roberta": TransformersForm("Roberta", _BERT, _LM_HEAD, classifier=_TWO_LAYERS),
        "electra": TransformersForm("Electra", _BERT, _ELECTRA_MLM, pooler=False, classifier=_TWO_LAYERS),
        "distilbert": TransformersForm(
            "DistilBert", _DISTILBERT, _DISTILBERT_MLM, pooler=False, classifier=("pre_classifier", "classifier")
        ),
        "mpnet": TransformersForm("MPNet", _MPNET, _LM_HEAD, classifier=_TWO_LAYERS),
        "albert": TransformersForm("Albert", _ALBERT, _ALBERT_MLM),
    }
)


def in_transformers_names(encoder: PretrainedEncoder) -> ArraysByName:
    """The tensors under transformers' names, dense weights [out in], positions with the rows that no token uses.

    Raises:
        CheckpointError: A backbone that transformers does not have.
    """
    form = _form(encoder.backbone)
    head = encoder.head
    prefix = f"{encoder.backbone}." if head or _has_mlm(encoder) else ""
    written = {}
    for name, array in split_qkv(encoder.tensors).items():
        theirs = _their_name(name, form, head, prefix)
        if theirs is not None:
            written[theirs] = array.T if is_dense(name) else array
    positions = prefix + POSITIONS
    unused = _first_position(encoder)
    if unused:
        table = written[positions]
        written[positions] = np.concatenate([np.zeros((unused, table.shape[1]), table.dtype), table])
    if head is not None:
        layer = form.classifier[1] if form.classifier and head.form.class_ending == _SEQUENCE else head.form.layer
        written |= {f"{layer}.weight": head.weight.T, f"{layer}.bias": head.bias}
    return written


def transformers_config(encoder: PretrainedEncoder) -> dict[str, Any]:
    """The content of their config.json.

    Raises:
        CheckpointError: A backbone that transformers does not have, or a key that its code does not read.
    """
    form = _form(encoder.backbone)
    ending = encoder.head.form.class_ending if encoder.head else "ForMaskedLM" if _has_mlm(encoder) else "Model"
    config: dict[str, Any] = {"model_type": encoder.backbone, "architectures": [form.class_name + ending]}
    config |= {"pad_token_id": 0, **backbone_keys(encoder.backbone_config)}  # nosec B105 (a vocabulary id)
    if _first_position(encoder):
        config["pad_token_id"] = _first_position(encoder) - 1
        config["max_position_embeddings"] += _first_position(encoder)
    if encoder.backbone == "electra":
        config["embedding_size"] = encoder.backbone_config.embedding_width
    if encoder.backbone == "distilbert":
        config = _distilbert_config(config)
    return config | (_labels(encoder.head) if encoder.head else {})


def backbone_keys(config: BackboneFields) -> dict[str, Any]:
    """The exported keys, with the width of the feed-forward layer."""
    found = exported_keys(config)
    return {**found, "intermediate_size": found["intermediate_size"] or 4 * found["hidden_size"]}


def _form(backbone: str) -> TransformersForm:
    if backbone not in FORMS:
        rule = f"transformers has these backbones of PALM's: {', '.join(FORMS)}."
        raise CheckpointError(f"{rule} Found `{backbone}`. Convert to a PALM folder: `--to palm`.")
    return FORMS[backbone]


def _their_name(name: str, form: TransformersForm, head: PretrainedHead | None, prefix: str) -> str | None:
    """Their name of a tensor; None if they have none."""
    part, _, kind = name.rpartition(".")
    if name.startswith("mlm."):
        dense, norm, bias = form.mlm
        return {"mlm.transform": f"{dense}.{kind}", "mlm.layer_norm": f"{norm}.{kind}", "mlm": bias}.get(part)
    if part == "pooler.dense":
        if form.classifier and head is not None and head.form.class_ending == _SEQUENCE:
            return f"{form.classifier[0]}.{kind}"
        if not form.pooler:
            return None
    for pattern, theirs in form.names:
        match = re.fullmatch(pattern, name)
        if match:
            return prefix + match.expand(theirs)
    return prefix + name


def _first_position(encoder: PretrainedEncoder) -> int:
    """The first position in transformers, which is that behind padding's id for some backbones.

    Raises:
        CheckpointError: The vocabulary's padding has another id than transformers' code takes for padding.
    """
    keys = encoder.backbone_config.model_dump(include={"pad_token_id"})
    pad = _padding_of_vocabulary(encoder)
    if "pad_token_id" in keys and pad is not None:
        keys["pad_token_id"] = pad
    first = BACKBONES[encoder.backbone].first_position(keys)
    if first and pad is not None and first != pad + 1:
        rule = f"transformers takes the token id {first - 1} for padding in every {encoder.backbone}."
        raise CheckpointError(f"{rule} Found padding with id {pad}. Convert to a PALM folder: `--to palm`.")
    return first


def _padding_of_vocabulary(encoder: PretrainedEncoder) -> int | None:
    """The id of padding in vocab.txt; None without that file, or such a token."""
    file = encoder.files.get(VOCAB_FILE)
    tokens = file.read_text(encoding="utf-8-sig").splitlines() if file else []
    names = [line.split("\t")[0] for line in tokens]
    return next((names.index(token) for token in _PADDING if token in names), None)


def _has_mlm(encoder: PretrainedEncoder) -> bool:
    return any(name.startswith("mlm.") for name in encoder.tensors)


def _distilbert_config(config: Mapping[str, Any]) -> dict[str, Any]:
    if config["layer_norm_eps"] != _FIXED_EPSILON:
        rule = f"transformers computes DistilBERT with a layer_norm_eps of {_FIXED_EPSILON}."
        raise CheckpointError(f"{rule} Found {config['layer_norm_eps']}. Convert to a PALM folder: `--to palm`.")
    left_out = ("type_vocab_size", "layer_norm_eps")
    return {THEIR_KEYS.get(key, key): value for key, value in config.items() if key not in left_out}


def _labels(head: PretrainedHead) -> dict[str, Any]:
    if not head.form.has_labels:
        return {}
    names = head.labels or tuple(str(number) for number in range(len(head.bias)))
    ids = {name: number for number, name in enumerate(names)}
    return {"id2label": {str(number): name for name, number in ids.items()}, "label2id": ids}
