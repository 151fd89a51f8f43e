"""The graph of several tasks: what they share once, nothing that no output needs, nothing left unread."""

from collections import Counter

import numpy as np
import pytest

from palm.backbone import BACKBONES
from palm.engine.model import MultiTaskModel
from palm.errors import ConfigError
from palm.inference.onnx.assembly import output_name, write_graph
from palm.inference.onnx.graph import ValueType
from tests.onnx_models import SIZES, OwnReader, small_model, task

LAYERS = SIZES["num_hidden_layers"]


def kinds(graph) -> Counter:
    return Counter(node.kind for node in graph.nodes)


def test_tasks_share_one_pass() -> None:
    one = small_model("bert", [task("a", "cls")]).graph
    two = small_model("bert", [task("a", "cls"), task("b", "seq_label"), task("c", "mrc")]).graph

    assert kinds(one)["Softmax"] == kinds(two)["Softmax"] == LAYERS
    assert kinds(two)["LayerNormalization"] == 1 + 2 * LAYERS
    assert kinds(two)["Tanh"] == 1, "one pooler"


def test_layers_that_nothing_needs_are_not_written() -> None:
    graph = small_model("bert", [task("a", "cls", layer=0)]).graph

    assert kinds(graph)["Softmax"] == 1
    assert not any("encoder.layers.1" in name for name in graph.constants)


def test_no_node_and_no_constant_is_left_over() -> None:
    given = [task("a", "cls", sharing="private_layers", sharing_layers=2), task("b", "seq_label", head="crf")]
    graph = small_model("deberta", given, relative_attention=True, pos_att_type=["c2p"]).graph
    read = {name for node in graph.nodes for name in node.inputs}
    made = {name for node in graph.nodes for name in node.outputs}

    assert made - read == graph.outputs.keys()
    assert set(graph.constants) <= read
    assert set(graph.inputs) <= read
    assert read <= made | set(graph.constants) | set(graph.inputs)
    written = [name for node in graph.nodes for name in node.outputs]
    assert len(written) == len(set(written))


def test_outputs_are_named_by_task_and_typed_as_declared() -> None:
    graph = small_model("bert", [task("意图", "cls"), task("槽", "seq_label", head="crf"), task("w", "mlm")]).graph

    assert graph.outputs == {
        output_name("意图", "logits"): ValueType("float32", ("batch", 3)),
        "槽.logits": ValueType("float32", ("batch", "seq", 3)),
        "槽.transitions": ValueType("float32", (5, 3)),
        "w.top_ids": ValueType("int64", ("mask", 5)),
        "w.top_probs": ValueType("float32", ("mask", 5)),
    }
    assert graph.constant_outputs == {"槽.transitions": "heads.槽.transitions.weight"}


def test_inputs_that_are_the_same_in_every_batch_are_none() -> None:
    def inputs(encoder: str, reader: object) -> set[str]:
        return set(small_model(encoder, [task("a", "cls", reader=reader)]).graph.inputs)

    assert inputs("ernie", "cls") == {"token_ids", "input_mask"}
    assert inputs("ernie", "mrc") == {"token_ids", "segment_ids", "input_mask"}
    assert inputs("roberta", "mrc") == {"token_ids", "input_mask"}
    assert inputs("ernie", OwnReader) == {"token_ids", "position_ids", "segment_ids", "task_ids", "input_mask"}


def test_a_parameter_that_is_not_written_is_refused() -> None:
    given = [task("a", "cls")]
    backbone = BACKBONES["bert"](BACKBONES["bert"].Config(**SIZES))
    weights = {name: each.numpy() for name, each in MultiTaskModel(backbone, given, seed=1).state_dict().items()}
    write_graph(backbone, given, weights)
    more = np.array([3.0], "float32")

    with pytest.raises(ConfigError, match=r"tasks\.a: every parameter .*Found `heads\.a\.temperature`, which is none"):
        write_graph(backbone, given, {**weights, "heads.a.temperature": more})
    write_graph(backbone, given, {**weights, "heads.b.temperature": more})  # of another task
