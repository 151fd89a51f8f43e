"""A peer that predicts texts with two heads. A lap is all texts. It runs in the peers' environment.

Settings: `engine`: `pipeline` (transformers, a model per task) or `onnxruntime` and `openvino` (PALM's graph of both
heads, up to the best label); `model`: the encoder's folder; `graph`: the ONNX file; `file`, `threads`, `classes`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.serving.text_laps import Predict, run_laps

BATCH = 32


def pipelines(settings: dict[str, Any]) -> Predict:
    """Pipelines of transformers, one after the other; their heads are new, which costs the same."""
    import torch  # noqa: PLC0415
    from transformers import (  # noqa: PLC0415
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        AutoTokenizer,
        pipeline,
    )

    torch.set_num_threads(settings["threads"])
    tokenizer = AutoTokenizer.from_pretrained(settings["model"])
    found = []
    for kind, builder, classes in (
        ("text-classification", AutoModelForSequenceClassification, settings["classes"][0]),
        ("token-classification", AutoModelForTokenClassification, settings["classes"][1]),
    ):
        model = builder.from_pretrained(settings["model"], num_labels=classes).eval()
        found.append(pipeline(kind, model=model, tokenizer=tokenizer, batch_size=BATCH))
    return lambda texts: [each(sorted(texts, key=len)) for each in found]


def _batches(folder: str) -> Callable[[list[str]], Iterator[dict[str, np.ndarray]]]:
    """From texts to batches of similar length, with a tokenizer that is loaded once."""
    from transformers import AutoTokenizer  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(folder)

    def batches(texts: list[str]) -> Iterator[dict[str, np.ndarray]]:
        ordered = sorted(texts, key=len, reverse=True)
        for start in range(0, len(ordered), BATCH):
            fields = tokenizer(ordered[start : start + BATCH], padding=True, return_tensors="np")
            shape = fields["input_ids"].shape
            yield {
                "token_ids": fields["input_ids"].astype("int64"),
                "segment_ids": np.zeros(shape, "int64"),
                "input_mask": fields["attention_mask"].astype("float32"),
                "position_ids": np.broadcast_to(np.arange(shape[1]), shape),
            }

    return batches


def onnxruntime(settings: dict[str, Any]) -> Predict:
    """ONNX Runtime on PALM's graph."""
    import onnxruntime as engine  # noqa: PLC0415

    options = engine.SessionOptions()
    options.intra_op_num_threads = settings["threads"]
    session = engine.InferenceSession(settings["graph"], options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    batches = _batches(settings["model"])

    def predict(texts: list[str]) -> object:
        for batch in batches(texts):
            for output in session.run(None, {name: batch[name] for name in names}):
                output.argmax(-1)
        return None

    return predict


def openvino(settings: dict[str, Any]) -> Predict:
    """OpenVINO on PALM's graph."""
    import openvino as engine  # noqa: PLC0415

    core = engine.Core()
    compiled = core.compile_model(settings["graph"], "CPU", {"INFERENCE_NUM_THREADS": settings["threads"]})
    names = [each.get_any_name() for each in compiled.inputs]
    batches = _batches(settings["model"])

    def predict(texts: list[str]) -> object:
        for batch in batches(texts):
            for output in compiled({name: batch[name] for name in names}).values():
                output.argmax(-1)
        return None

    return predict


ENGINES: dict[str, Callable[[dict[str, Any]], Predict]] = {
    "pipeline": pipelines,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
}


if __name__ == "__main__":
    run_laps(lambda settings: ENGINES[settings["engine"]](settings))
