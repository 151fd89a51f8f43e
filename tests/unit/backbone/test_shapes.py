"""The shapes that a backbone's keys tell are those that it builds."""

import pytest

from palm.backbone.base import BACKBONES
from palm.backbone.shapes import check_shapes
from palm.errors import CheckpointError

SIZES = {
    "vocab_size": 11, "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 7,
    "type_vocab_size": 3,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("bert", {}),
        ("bert", {"intermediate_size": 5}),
        ("ernie", {"task_type_vocab_size": 6}),
        ("ernie", {"use_task_id": False}),
        ("roberta", {"type_vocab_size": 1}),
        ("electra", {}),
        ("electra", {"embedding_size": 3}),
        ("distilbert", {}),
        ("mpnet", {"relative_attention_num_buckets": 8}),
        ("albert", {"embedding_size": 3}),
        ("albert", {"embedding_size": 4, "num_hidden_groups": 2}),
    ],
)
def test_they_are_those_that_are_built(name: str, keys: dict[str, object]) -> None:
    kind = BACKBONES[name]
    backbone = kind(kind.Config.model_validate({**SIZES, **keys}))
    built = {name: tuple(parameter.shape) for name, parameter in backbone.build_layers().state_dict().items()}
    assert backbone.shapes() == built


def test_what_differs_is_named() -> None:
    expected = {"a": (2, 3), "b": (4,)}
    check_shapes({"a": (2, 3), "b": (4,)}, expected, where="f")
    check_shapes({"a": (2, 3), "c": (9,)}, expected, where="f", partial=True)
    check_shapes({"c": (9,)}, {}, where="f")
    with pytest.raises(CheckpointError, match=r"^f: the weights must have .* Found `a`: \[2\] here and \[2, 3\] there"):
        check_shapes({"a": (2,)}, expected, where="f", partial=True)
    with pytest.raises(CheckpointError, match=r"Found `b`: nothing here and \[4\] there"):
        check_shapes({"a": (2, 3)}, expected, where="f")
    with pytest.raises(CheckpointError, match=r"Found `c`: \[\] here and nothing there"):
        check_shapes({**expected, "c": ()}, expected, where="f")
