"""Small models with random weights, as PALM computes them and as ONNX graphs, and batches for both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import paddle

from palm.backbone import BACKBONES
from palm.data.dataset import LabelMap
from palm.data.prompt_form import PromptForm
from palm.engine.model import MultiTaskModel
from palm.engine.task_instance import TaskInstance
from palm.inference.onnx.assembly import WrittenGraph, write_graph
from palm.inference.onnx.model_file import to_model
from palm.paradigm import PARADIGMS
from palm.reader import READERS
from palm.schema.settings import TaskSettings

LIMIT = 1e-5
"""The largest difference of an output in float32."""
VOCABULARY = 50
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 60, "initializer_range": 0.2, "kernels": "plain",
}  # fmt: skip
BATCHES = [(3, 37), (1, 1), (1, 8), (3, 5), (2, 60)]
"""Sequences and tokens of each: odd numbers, a single text, a single token, as many as there are positions."""


FORM = PromptForm(masks=2, label_words=(((8, 9), (10,)), ((11,),), ((12, 13),)))
"""A prompt with words of one and of several tokens, and labels of one and of several words."""


class OwnReader:
    """One of a user's own, whose batches may hold any positions, segments and tasks."""

    segments = 1


def task(name: str, paradigm: str, reader: type[Any] | str = "match", **keys: Any) -> TaskInstance:
    """A task without data. `layer` is a key of its settings, `form` of its prompt; `labels` are its own.

    All other keys are of its paradigm.
    """
    kind = READERS[reader] if isinstance(reader, str) else reader
    layer, form = keys.pop("layer", -1), keys.pop("form", FORM)
    usual = None if paradigm in ("mlm", "choice", "rank") else LabelMap(("O", "B-城市", "I-城市"))
    labels = keys.pop("labels", usual)
    known = {"prompt": form} if PARADIGMS[paradigm].answers_prompts else {}
    made = PARADIGMS[paradigm](PARADIGMS[paradigm].Config(**keys), labels, **known)
    settings = TaskSettings(reader="cls", paradigm=paradigm, layer=layer)
    return TaskInstance(name, settings, object.__new__(kind), made, name, 0)


@dataclass(frozen=True)
class SmallModel:
    """A model of some tasks, of which each parameter is random."""

    model: MultiTaskModel
    tasks: Sequence[TaskInstance]
    graph: WrittenGraph

    @cached_property
    def session(self) -> Any:
        """ONNX Runtime's, on the CPU."""
        import onnx
        import onnxruntime

        made = to_model(self.graph, {})
        onnx.checker.check_model(made, full_check=True)
        return session_of(made.SerializeToString(), onnxruntime)

    def differences(self, batch: Mapping[str, np.ndarray]) -> dict[str, float]:
        """The largest difference of each output, where tokens are no padding."""
        found = run(self.session, batch)
        expected = self.expected(batch)
        assert found.keys() == expected.keys()
        return {name: largest_difference(found[name], expected[name], batch["input_mask"]) for name in found}

    def expected(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What PALM computes."""
        with paddle.no_grad():
            outputs = {task.name: self.model.forward(task, dict(batch), "predict")[0] for task in self.tasks}
        return {f"{name}.{key}": tensor.numpy() for name, each in outputs.items() for key, tensor in each.items()}


def small_model(backbone: str, tasks: Sequence[TaskInstance], **keys: Any) -> SmallModel:
    """A model with the encoder `backbone`, of SIZES but for `keys`."""
    kind = BACKBONES[backbone]
    described = kind(kind.Config(**{**SIZES, **keys}))
    model = MultiTaskModel(described, tasks, seed=1)
    model.eval()
    generator = np.random.default_rng(5)
    fitted = [tensor for name, tensor in model.heads.named_buffers() if name in model.heads.state_dict()]
    for parameter in [*model.parameters(), *fitted]:
        noise = generator.normal(size=parameter.shape).astype("float32") * 0.1
        parameter.set_value(parameter.numpy() + noise)
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return SmallModel(model, tasks, write_graph(described, tasks, weights))


def batch_of(sequences: int, tokens: int, *, segments: bool = True, seed: int = 0) -> dict[str, np.ndarray]:
    """A batch for every head; rows but the first are shorter, if they can be."""
    generator = np.random.default_rng([seed, sequences, tokens])
    lengths = np.maximum(tokens - 3 * np.arange(sequences), 1)
    mask = np.arange(tokens) < lengths[:, None]
    ids = np.where(mask, generator.integers(5, VOCABULARY, (sequences, tokens)), 0)
    second = np.broadcast_to(np.arange(tokens) > tokens // 3, ids.shape).astype("int64")
    candidates = generator.integers(0, sequences, (2, 3))
    return {
        "token_ids": ids,
        "position_ids": np.tile(np.arange(tokens), (sequences, 1)),
        "segment_ids": second if segments else np.zeros_like(ids),
        "task_ids": np.zeros_like(ids),
        "input_mask": mask.astype("float32"),
        "word_starts": (mask & (ids % 3 > 0) & (np.arange(tokens) > 0)).astype("float32"),
        "soft_ids": np.where(mask & (ids % 3 == 0), ids % 4, 0),
        "mask_positions": generator.integers(0, tokens, (sequences, 2)),
        "mask_pos": np.flatnonzero(mask)[::2],
        "choice_rows": candidates,
        "choice_mask": (candidates < sequences - 1).astype("float32"),
    }


def session_of(model: bytes | str, onnxruntime: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(session: Any, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a graph by name; fields that the batch lacks are empty."""
    given = {each.name: batch[each.name] if each.name in batch else empty(each) for each in session.get_inputs()}
    return dict(zip([each.name for each in session.get_outputs()], session.run(None, given), strict=True))


def empty(field: Any) -> np.ndarray:
    return np.zeros([0] * len(field.shape), "float32" if field.type == "tensor(float)" else "int64")


def largest_difference(found: np.ndarray, expected: np.ndarray, mask: np.ndarray) -> float:
    """Over what is no padding: the first two axes of an output per token are those of the mask."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    by_token = found.shape[: mask.ndim] == mask.shape
    difference = np.abs(found - expected)[mask > 0] if by_token else np.abs(found - expected)
    return float(difference.max(initial=0.0))
