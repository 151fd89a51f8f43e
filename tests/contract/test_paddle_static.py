"""Every registered backbone as a program in Paddle's static format, which computes what PALM computes."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx: pip install .[onnx]")

from palm.backbone import BACKBONES
from palm.inference.export.paddle_static import PaddleInference, inputs_of, write_paddle
from tests.contract.test_onnx_writers import ENCODERS, RELATED
from tests.onnx_models import LIMIT, SmallModel, batch_of, largest_difference, small_model, task

SOME = [*BACKBONES, "modernbert, local", "deberta-v2", "deberta-v3"]


@pytest.mark.parametrize("kind", SOME)
def test_every_encoder_computes_the_same(kind: str, tmp_path) -> None:
    """A head of a text, of its tokens, of masked tokens and of a lower layer, for several sizes of batches."""
    name, keys = ENCODERS[kind]
    tasks = [
        task("text", "cls"),
        task("词", "seq_label"),
        task("word", "mlm", reader="mlm"),
        task("low", "cls", layer=0),
        task("near", "embed", reader="embed"),
        task("跨", "spans", reader="spans"),
        task("pair", "spans", reader="spans", span_scorer="biaffine", span_head_size=8),
        task("树", "parse", reader="parse", arc_size=20, relation_size=7),
    ]
    assert_same(small_model(name, tasks, **keys), tmp_path)


@pytest.mark.parametrize("scorer", ["global_pointer", "biaffine"])
def test_a_head_with_relations_computes_the_same(scorer: str, tmp_path) -> None:
    """Also beside another of the same shape, whose weights are no outputs of the first."""
    keys = {"reader": "spans", "span_scorer": scorer, "span_head_size": 6, "labels": RELATED}
    assert_same(small_model("bert", [task("关系", "spans", **keys), task("more", "spans", **keys)]), tmp_path)


def assert_same(made: SmallModel, folder: Path) -> None:
    """Compare each output of the program with PALM's."""
    tasks = made.tasks
    files = write_paddle(made.model, tasks, folder, name="program")
    assert len(files) == 2
    engine = PaddleInference(folder, files, tasks, inputs_of(made.model, tasks))
    for size in ((3, 37), (1, 2), (2, 60)):  # no text has fewer tokens than the two special ones
        batch = batch_of(*size)
        expected = made.expected(batch)
        found = {
            f"{one.name}.{output}": array
            for one, outputs in zip(tasks, engine.outputs(tasks, batch, "predict"), strict=True)
            for output, array in outputs.items()
        }
        assert found.keys() == expected.keys()
        for output, array in found.items():
            assert np.isfinite(array).all(), (size, output)
            assert largest_difference(array, expected[output], batch["input_mask"]) <= LIMIT, (size, output)
