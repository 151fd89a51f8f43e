"""A PyTorch model in other runtimes: ONNX Runtime in float32 and int8, OpenVINO in float32 and bf16."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.speed.peers.multi_head import MultiHeadBert

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class _Exported(nn.Module):
    """The model with its inputs in a fixed order."""

    def __init__(self, model: MultiHeadBert, task: str) -> None:
        super().__init__()
        self._model, self._task = model, task

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        return self._model.logits(self._task, **inputs)


def export(model: MultiHeadBert, task: str, folder: Path) -> Path:
    """Write the model as ONNX with free batch and length."""
    file = folder / "model.onnx"
    example = tuple(torch.ones((2, 16), dtype=torch.int64) for _ in INPUTS)
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        _Exported(model, task).eval(), example, str(file), dynamo=True, external_data=False,
        input_names=list(INPUTS), output_names=["logits"], dynamic_shapes=[free] * len(INPUTS),
    )  # fmt: skip
    return file


class OnnxRuntime:
    """The model in ONNX Runtime.

    Args:
        file: The ONNX file.
        threads: Threads of the session.
    """

    def __init__(self, file: Path, threads: int) -> None:
        import onnxruntime  # noqa: PLC0415 (may be missing)

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def logits(self, task: str, **inputs: Tensor) -> Tensor:
        """See `prediction.Model`."""
        del task
        (found,) = self._session.run(None, {name: inputs[name].numpy() for name in INPUTS})
        return torch.from_numpy(found)


def onnx_float32(model: MultiHeadBert, task: str, *, threads: int) -> OnnxRuntime:
    """ONNX Runtime in float32."""
    with tempfile.TemporaryDirectory() as folder:
        return OnnxRuntime(export(model, task, Path(folder)), threads)


def onnx_int8(model: MultiHeadBert, task: str, *, threads: int) -> OnnxRuntime:
    """ONNX Runtime with dynamic quantization: weights of int8 per channel, inputs by row of the batch at run time."""
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 (may be missing)

    with tempfile.TemporaryDirectory() as folder:
        file, small = export(model, task, Path(folder)), Path(folder) / "int8.onnx"
        quantize_dynamic(file, small, weight_type=QuantType.QInt8, per_channel=True)
        return OnnxRuntime(small, threads)


class OpenVino:
    """The model in OpenVINO.

    Args:
        compiled: The compiled model.
    """

    def __init__(self, compiled: Any) -> None:  # noqa: ANN401 (openvino.CompiledModel)
        self._compiled = compiled

    def logits(self, task: str, **inputs: Tensor) -> Tensor:
        """See `prediction.Model`."""
        del task
        found = self._compiled([inputs[name].numpy() for name in INPUTS])
        return torch.from_numpy(found[0])


def openvino_float32(model: MultiHeadBert, task: str, *, threads: int) -> OpenVino:
    """OpenVINO in float32."""
    return _openvino(model, task, threads, "f32")


def openvino_bf16(model: MultiHeadBert, task: str, *, threads: int) -> OpenVino:
    """OpenVINO in bf16, its own default on a processor with AMX."""
    return _openvino(model, task, threads, "bf16")


def _openvino(model: MultiHeadBert, task: str, threads: int, precision: str) -> OpenVino:
    import openvino  # noqa: PLC0415 (may be missing)

    example = {name: torch.ones((2, 16), dtype=torch.int64) for name in INPUTS}
    converted = openvino.convert_model(_Exported(model, task).eval(), example_input=example)
    keys = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    return OpenVino(openvino.compile_model(converted, "CPU", keys))
