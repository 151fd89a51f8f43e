"""Specs that are compared before anything is built."""

from palm.spec import Spec, unmet


def test_specs_as_paddlepalm_wrote_them_are_compared_by_rank_and_type():
    offered = {"token_ids": [[-1, -1], "int64"], "input_mask": [[-1, -1, 1], "float32"]}
    needed = {"token_ids": Spec("batch seq", "int64"), "input_mask": Spec("batch seq", "float32")}
    assert unmet(needed, offered) == {"input_mask": "needs float32[batch seq], found float32[axis0 axis1 axis2]"}
