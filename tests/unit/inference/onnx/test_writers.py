"""Who writes what: the class that computes decides, and what has no writer is refused by its name."""

from typing import Any

import pytest

from palm.backbone.bert import BertLikeBackbone
from palm.errors import ConfigError
from palm.inference.onnx import ENCODER_WRITERS, HEAD_WRITERS
from palm.inference.onnx.writers import HeadOutput, Writers
from palm.paradigm import Classification
from palm.paradigm.cls import TextClass
from tests.onnx_models import LIMIT, batch_of, small_model, task


class OtherForm(BertLikeBackbone):
    """A user's encoder of BERT's layers."""


class OtherLayers(BertLikeBackbone):
    """A user's encoder, which computes something else."""

    def build_layers(self) -> Any:
        raise NotImplementedError


class OtherCount(TextClass):
    """A user's paradigm with the head of `cls`."""

    name, embedding = "other", "sentence_embedding"

    def count_classes(self) -> int:
        return 3


class OtherHead(OtherCount):
    """A user's paradigm with another head."""

    def forward(self, layers: Any, inputs: Any, phase: Any) -> Any:
        raise NotImplementedError


def test_a_subclass_that_computes_the_same_is_written_the_same() -> None:
    assert ENCODER_WRITERS.find(OtherForm) is ENCODER_WRITERS.find(BertLikeBackbone) is not None
    assert HEAD_WRITERS.find(OtherCount) is HEAD_WRITERS.find(Classification) is not None


def test_a_subclass_that_computes_something_else_has_no_writer() -> None:
    assert ENCODER_WRITERS.find(OtherLayers) is None
    assert HEAD_WRITERS.find(OtherHead) is None
    assert HEAD_WRITERS.find(object) is None


def test_what_has_no_writer_is_named() -> None:
    given = task("意图", "cls")
    object.__setattr__(given, "paradigm", OtherHead(given.paradigm.config, given.paradigm.labels))
    expected = (
        r"tasks\.意图: an ONNX graph is written for paradigms that have a writer.*Found the paradigm `OtherHead` "
        r"\(.*test_writers\.OtherHead\) without one\. Write one .*docs/extending\.md"
    )
    with pytest.raises(ConfigError, match=expected):
        small_model("bert", [given])


def test_a_writer_of_a_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the logits of `cls`."""

    class Twice(OtherCount):
        def build_layers(self, backbone: Any) -> Any:
            return super().build_layers(backbone)

        def forward(self, layers: Any, inputs: Any, phase: Any) -> Any:
            return {"logits": super().forward(layers, inputs, phase)["logits"] * 2}

    monkeypatch.setattr(HEAD_WRITERS, "_by_class", dict(HEAD_WRITERS._by_class))

    @HEAD_WRITERS.register(Twice)
    def twice(head: Any) -> Any:
        graph = head.graph
        logits = graph.op("MatMul", head.sentence, graph.weight(head.name("linear.weight")))
        logits = graph.op("Add", logits, graph.weight(head.name("linear.bias")))
        return {"logits": HeadOutput(graph.op("Mul", logits, graph.floats(2.0)), ("batch", 3))}

    pytest.importorskip("onnx", reason="needs onnx: pip install .[onnx]")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install .[onnx]")
    given = task("意图", "cls")
    object.__setattr__(given, "paradigm", Twice(given.paradigm.config, given.paradigm.labels))
    assert small_model("bert", [given]).differences(batch_of(3, 7))["意图.logits"] <= LIMIT


def test_writers_of_one_kind_do_not_know_another() -> None:
    writers: Writers[str] = Writers("thing", ("forward",))
    writers.register(OtherHead)("writer")

    assert writers.find(OtherHead) == "writer"
    assert writers.find(OtherCount) is None
