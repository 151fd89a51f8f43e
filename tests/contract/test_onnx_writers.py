"""Every registered backbone and paradigm has a writer of ONNX graphs, whose graph computes what PALM computes."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx: pip install .[onnx]")
pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install .[onnx]")

from palm.backbone import BACKBONES
from palm.data.dataset import LabelMap
from palm.data.prompt_form import PromptForm, SoftGroup
from palm.data.target_text import TargetForm
from palm.errors import ConfigError
from palm.inference.onnx import ENCODER_WRITERS, HEAD_WRITERS
from palm.paradigm import PARADIGMS
from tests.onnx_models import BATCHES, FORM, LIMIT, OwnReader, batch_of, run, small_model, task

_RELATIVE = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}
_V3 = {**_RELATIVE, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True}
_V3 |= {"position_biased_input": False, "max_relative_positions": 20}
_LOCAL = {"num_hidden_layers": 4, "local_attention": 6}
_BIASES = {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True}
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in BACKBONES},
    "bert, one segment id": ("bert", {"type_vocab_size": 0, "hidden_act": "relu"}),
    "ernie 1, without task ids": ("ernie", {"use_task_id": False, "hidden_act": "tanh"}),
    "electra-small": ("electra", {"embedding_size": 12}),
    "albert in two groups": ("albert", {"embedding_size": 12, "num_hidden_groups": 2, "hidden_act": "gelu_new"}),
    "mpnet, few buckets": ("mpnet", {"relative_attention_num_buckets": 8}),
    "deberta-v3": ("deberta", _V3),
    "deberta-v2": ("deberta", {**_V3, "conv_kernel_size": 3, "conv_act": "gelu", "conv_groups": 2}),
    "deberta, every distance": ("deberta", {**_RELATIVE, "embedding_size": 16, "type_vocab_size": 2}),
    "deberta, queries alone": ("deberta", {**_RELATIVE, "pos_att_type": ["c2p"], "position_buckets": 6}),
    "deberta, keys alone": ("deberta", {**_V3, "pos_att_type": ["p2c"]}),
    "modernbert, local": ("modernbert", _LOCAL),
    "modernbert with biases": ("modernbert", {**_LOCAL, **_BIASES, "classifier_pooling": "mean"}),
    "modernbert, odd reach": ("modernbert", {"local_attention": 9, "layer_types": ["sliding_attention"] * 3}),
}
SHARING: dict[str, dict[str, Any]] = {
    "adapter": {"sharing": "adapter", "sharing_size": 5},
    "lora": {"sharing": "lora", "sharing_size": 3},
    "private": {"sharing": "private", "sharing_size": 5},
    "private layers": {"sharing": "private_layers", "sharing_layers": 2},
    "own layers": {"sharing": "soft", "sharing_layers": 2},
    "all layers its own": {"sharing": "soft"},
    "a mix": {"layers": ["mix"]},
    "a mix of some": {"layers": ["0", "-1"]},
    "a lower layer": {"layer": 1},
    "an adapter below a lower layer": {"sharing": "adapter", "layer": 0},
    "a mix of adapted layers": {"sharing": "adapter", "layers": ["mix"]},
    "a mix beside private layers": {"sharing": "private_layers", "sharing_layers": 1, "layers": ["1", "2"]},
}
_SOFT = (SoftGroup("lstm", 6, (3, 1)), SoftGroup("none", 0, (2,)))
_WORDS = PromptForm(masks=2, label_words=(((8, 9),), ((10, 11),), ((12, 13),)))
HEADS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in PARADIGMS if PARADIGMS[name].export_refusal is None},
    **{f"cls by {pooling}": ("cls", {"pooling": pooling}) for pooling in ("mean", "max", "attention")},
    **{f"embed by {pooling}": ("embed", {"pooling": pooling}) for pooling in ("cls", "attention")},
    "parse": ("parse", {"arc_size": 20, "relation_size": 7}),
    "mlp": ("match", {"head": "mlp", "head_hidden_size": 7}),
    "mlp of a value": ("regression", {"head": "mlp", "pooling": "max"}),
    "candidates by mean": ("choice", {"pooling": "mean"}),
    "ranked candidates by an mlp": ("rank", {"head": "mlp", "head_hidden_size": 5}),
    "mlp of tokens": ("seq_label", {"head": "mlp"}),
    "bilstm": ("seq_label", {"head": "bilstm", "head_hidden_size": 6}),
    "crf": ("seq_label", {"head": "crf"}),
    "bilstm and crf": ("seq_label", {"head": "bilstm_crf"}),
    "one token": ("mlm", {"top_k": 1}),
    "the best of tokens and words": ("prompt", {"token_aggregate_type": "max", "word_aggregate_type": "max"}),
    "the first of tokens and words": ("prompt", {"token_aggregate_type": "first", "word_aggregate_type": "first"}),
    "the mean of masks": ("prompt", {"mask_aggregate_type": "mean"}),
    "the best of masks": ("prompt", {"mask_aggregate_type": "max"}),
    "the first of masks": ("prompt", {"mask_aggregate_type": "first"}),
    "several labels of a prompt": ("prompt", {"label_kind": "several"}),
    "a label layer": ("prompt", {"verbalizer": "soft"}),
    "a word per label": ("prompt", {"verbalizer": "masked", "form": _WORDS}),
    "options": ("prompt", {"verbalizer": "none"}),
    "biaffine spans": ("spans", {"span_scorer": "biaffine", "span_head_size": 5}),
    "soft vectors": ("prompt", {"form": replace(FORM, soft_starts=(5, None, 6), soft_groups=_SOFT)}),
    "a prefix": ("prompt", {"form": replace(FORM, prefix_length=4)}),
    "an encoded prefix": (
        "prompt",
        {"form": replace(FORM, prefix_length=4, prefix_encoder="lstm", prefix_hidden_size=6), "layer": 1},
    ),
}


RELATED = LabelMap(("人", "地点"), relations=("位于", "属于"))


@pytest.mark.parametrize("scorer", ["global_pointer", "biaffine"])
def test_a_head_with_relations_computes_the_same(scorer: str) -> None:
    assert_same(small_model("bert", [task("关系", "spans", span_scorer=scorer, span_head_size=6, labels=RELATED)]))


def assert_same(model: Any) -> None:
    for size in BATCHES:
        differences = model.differences(batch_of(*size))
        assert max(differences.values()) <= LIMIT, (size, differences)


@pytest.mark.parametrize("name", list(BACKBONES))
def test_every_backbone_has_a_writer(name: str) -> None:
    assert ENCODER_WRITERS.find(BACKBONES[name]) is not None


@pytest.mark.parametrize("name", list(PARADIGMS))
def test_every_paradigm_has_a_writer_or_says_why_not(name: str) -> None:
    assert (HEAD_WRITERS.find(PARADIGMS[name]) is None) == (PARADIGMS[name].export_refusal is not None)


@pytest.mark.parametrize("name", [name for name in PARADIGMS if PARADIGMS[name].export_refusal is not None])
def test_a_head_without_a_graph_is_refused(name: str) -> None:
    target = TargetForm(2, 3, 50, str)
    made = replace(task("翻译", "cls"), paradigm=PARADIGMS[name](PARADIGMS[name].Config(), None, target=target))
    with pytest.raises(
        ConfigError, match=r"tasks\.翻译: its head cannot be written as a graph .*, as a text is written"
    ):
        small_model("bert", [task("text", "cls"), made])


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_encoder_computes_the_same(kind: str) -> None:
    name, keys = ENCODERS[kind]
    tasks = [task("text", "cls"), task("词", "seq_label"), task("word", "mlm"), task("low", "cls", layer=0)]
    assert_same(small_model(name, tasks, **keys))


@pytest.mark.parametrize("kind", HEADS)
def test_every_head_computes_the_same(kind: str) -> None:
    name, keys = HEADS[kind]
    assert_same(small_model("bert", [task("任务", name, **keys)]))


@cache
def differences_of_sharing(encoder: str) -> list[dict[str, float]]:
    """The differences of each batch in one model whose tasks share its encoder in every way."""
    name, keys = ENCODERS[encoder]
    tasks = [task(kind, "seq_label", **SHARING[kind]) for kind in SHARING]
    model = small_model(name, [task("shared", "cls"), *tasks], **keys)
    return [model.differences(batch_of(*size)) for size in BATCHES]


@pytest.mark.parametrize("kind", SHARING)
@pytest.mark.parametrize("encoder", ["bert", "modernbert, local", "deberta-v2"])
def test_every_kind_of_sharing_computes_the_same(kind: str, encoder: str) -> None:
    for differences in differences_of_sharing(encoder):
        own = {name: value for name, value in differences.items() if name.startswith((f"{kind}.", "shared."))}
        assert len(own) == 2
        assert max(own.values()) <= LIMIT


@pytest.mark.parametrize("kind", SHARING)
def test_a_task_alone_beside_the_shared_encoder(kind: str) -> None:
    assert_same(small_model("bert", [task("shared", "cls"), task("own", "seq_label", **SHARING[kind])]))


@pytest.mark.parametrize("kind", ["ernie", "deberta, every distance", "roberta", "modernbert"])
def test_readers_of_users_may_count_positions_and_segments_as_they_like(kind: str) -> None:
    name, keys = ENCODERS[kind]
    model = small_model(name, [task("text", "cls", reader=OwnReader)], **keys)
    batch = batch_of(3, 11)
    batch["position_ids"] = batch["position_ids"][:, ::-1] + 3
    batch["task_ids"] = np.full_like(batch["task_ids"], 2)
    assert max(model.differences(batch).values()) <= LIMIT
    inputs = {each.name for each in model.session.get_inputs()}
    assert inputs == set(model.model.backbone_inputs)


@pytest.mark.parametrize("name", list(BACKBONES))
def test_one_text_needs_its_tokens_alone(name: str) -> None:
    model = small_model(name, [task("text", "cls", reader="cls"), task("tags", "seq_label", reader="seq_label")])
    assert max(model.differences(batch_of(3, 9, segments=False)).values()) <= LIMIT
    assert {each.name for each in model.session.get_inputs()} == {"token_ids", "input_mask"}


LONG = {"max_position_embeddings": 1024, "local_attention": 128, "num_hidden_layers": 3}


@pytest.mark.parametrize("size", [(1, 1024), (3, 701), (2, 129)])
@pytest.mark.parametrize("kernels", ["plain", "auto"])
def test_long_inputs_of_modernbert_see_the_same_windows(size: tuple[int, int], kernels: str) -> None:
    """Several windows of the size that published models have, in rows of very different lengths."""
    model = small_model("modernbert", [task("text", "cls"), task("词", "seq_label")], **LONG, kernels=kernels)
    batch = batch_of(*size)
    batch["input_mask"][-1, size[1] // 3 :] = 0.0
    assert max(model.differences(batch).values()) <= LIMIT


def test_a_window_of_modernbert_ends_where_its_layers_reach_in_a_graph() -> None:
    """Layers of windows alone: a token changes those that all layers together reach, 64 places each, and no others."""
    keys = {**LONG, "num_hidden_layers": 2, "layer_types": ["sliding_attention"] * 2}
    model = small_model("modernbert", [task("词", "seq_label")], **keys)
    batch = batch_of(1, 900)
    before = run(model.session, batch)["词.logits"]
    place, reach = 450, 2 * 64
    batch["token_ids"][0, place] = batch["token_ids"][0, place] % 40 + 6
    changed = np.flatnonzero((run(model.session, batch)["词.logits"] != before).any(axis=-1)[0])
    assert (changed.min(), changed.max()) == (place - reach, place + reach)
