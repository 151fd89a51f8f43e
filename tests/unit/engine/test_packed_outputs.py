"""Outputs survive the way from rank to rank to the bit, whatever their shapes and types."""

import numpy as np

from palm.engine.packed_outputs import pack, unpack


def test_arrays_come_back_as_they_were():
    examples = {
        7: {"logits": np.array([1.5, -0.0, np.nan], "float32"), "top_ids": np.array([[3, 1], [2, 0]])},
        2: {"logits": np.array([2.5], "float32"), "top_ids": np.zeros((0, 2), "int64"), "gold": np.array([4])},
        0: {"logits": np.zeros(0, "float32"), "top_ids": np.array([[9, 8]])},
    }
    found, losses = unpack(pack(examples, [(0.5, 3, 1), (0.1, 1, 0)]))

    assert losses == [(0.5, 3, 1), (0.1, 1, 0)]
    assert {number: set(outputs) for number, outputs in found.items()} == {
        7: {"logits", "top_ids"}, 2: {"logits", "top_ids", "gold"}, 0: {"logits", "top_ids"},
    }  # fmt: skip
    for number, outputs in examples.items():
        for name, array in outputs.items():
            back = found[number][name]
            assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_a_number_per_example_and_a_rank_without_examples():
    found, losses = unpack(pack({0: {"values": np.float32(0.25)}, 1: {"values": np.array(2.0, "float32")}}, []))
    assert {number: outputs["values"].shape for number, outputs in found.items()} == {0: (), 1: ()}
    assert [float(found[number]["values"]) for number in (0, 1)] == [0.25, 2.0]
    assert losses == []
    assert unpack(pack({}, [])) == ({}, [])


def test_no_bytes_are_spent_on_single_examples():
    rows = 1000
    packed = pack({number: {"logits": np.ones(2, "float32")} for number in range(rows)}, [])
    assert len(packed) < rows * (2 * 4 + 8 + 8) + 2000
