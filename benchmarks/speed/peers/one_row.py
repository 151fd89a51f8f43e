"""A worker that predicts one text with PyTorch and transformers, again and again. A lap is one call.

Settings: those of a peer, `text`, and `engine`: `torch`, or `onnx` for ONNX Runtime on the exported graph.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.speed.peers.features import Task
from benchmarks.speed.peers.multi_head import MultiHeadBert, build, tokenizer_of, tune
from benchmarks.speed.peers.prediction import softmax
from benchmarks.speed.worker import Pace

Logits = Callable[[Any], np.ndarray]
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def main() -> None:
    pace = Pace.of_process()
    settings = pace.settings
    tokenizer, precision = tokenizer_of(settings), tune(settings)
    model = build(settings, [Task("task", "cls", 1.0, 1, [], 4, dict)]).eval()
    encode = lambda: tokenizer([settings["text"]], return_tensors="pt")  # noqa: E731 (as a script would)
    logits = of_onnx(model, encode(), settings["threads"]) if settings["engine"] == "onnx" else of_torch(model)
    pace.ready()
    with torch.inference_mode(), precision:
        while True:
            probabilities = softmax(logits(encode()))
            pace.lap(len(probabilities))


def of_torch(model: MultiHeadBert) -> Logits:
    """Logits of a batch by PyTorch."""
    return lambda batch: model.logits("task", **batch).float().numpy()


def of_onnx(model: MultiHeadBert, batch: Any, threads: int) -> Logits:  # noqa: ANN401 (transformers' BatchEncoding)
    """Logits of a batch by ONNX Runtime, from the graph that PyTorch exports."""
    import onnxruntime  # noqa: PLC0415 (not in every environment)

    class Graph(torch.nn.Module):
        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return model.logits("task", **dict(zip(INPUTS, inputs, strict=True)))

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "model.onnx")
        names = list(INPUTS)
        torch.onnx.export(
            Graph().eval(),
            tuple(batch[name] for name in INPUTS),
            file,
            input_names=names,
            opset_version=17,
            dynamo=False,
        )
        session = onnxruntime.InferenceSession(file, options)
    return lambda given: session.run(None, {name: given[name].numpy() for name in INPUTS})[0]


if __name__ == "__main__":
    main()
