"""A worker that predicts a file with paddle.inference: PALM reads and decodes, the exported graph computes.

Settings: `folder` of the inference model, `file`, `threads`.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.speed.worker import Pace
from palm.reader.loading import load_dataset

if TYPE_CHECKING:
    from palm.data.dataset import Batch, Dataset, IntArray
    from palm.inference.bundle import Bundle
    from palm.paradigm.base import Outputs


_IDS = ("token_ids", "position_ids", "segment_ids")


def main() -> None:
    pace = Pace.of_process()
    from palm.runtime.environment import prepare_runtime  # noqa: PLC0415 (as above)
    from palm.runtime.paddle_import import import_paddle  # noqa: PLC0415 (stdout belongs to the pace by now)

    prepare_runtime()
    import_paddle()
    from palm.inference.bundle import load_bundle  # noqa: PLC0415 (the process has to be set up first)

    bundle = load_bundle(Path(pace.settings["folder"]))
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(bundle, Path(folder), threads=pace.settings["threads"])
        pace.ready()
        while True:
            dataset = load_dataset(bundle.task.reader, Path(pace.settings["file"]), "predict")
            pace.lap(len(predict(bundle, engine, dataset)))


class Engine:
    """The model as a graph in paddle.inference.

    Args:
        bundle: The model.
        folder: Folder of the exported graph.
        threads: Threads of the engine.
    """

    def __init__(self, bundle: "Bundle", folder: Path, *, threads: int) -> None:
        from paddle import inference  # noqa: PLC0415 (`main` has set it up)

        self.outputs = export(bundle, folder / "model")
        config = inference.Config(str(folder / "model.json"), str(folder / "model.pdiparams"))
        config.set_cpu_math_library_num_threads(threads)
        config.disable_glog_info()
        self._predictor = inference.create_predictor(config)

    def run(self, batch: "Batch") -> dict[str, np.ndarray]:
        """Outputs by name."""
        for name in self._predictor.get_input_names():
            self._predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(batch[name]))
        self._predictor.run()
        arrays = [self._predictor.get_output_handle(name).copy_to_cpu() for name in self._predictor.get_output_names()]
        return dict(zip(self.outputs, arrays, strict=True))


def export(bundle: "Bundle", prefix: Path) -> list[str]:
    """Write encoder and head as a static graph; returns the names of its outputs in order."""
    import paddle  # noqa: PLC0415 (`main` has set it up)

    task, model = bundle.task, bundle.model
    names = list(task.paradigm.outputs_attr("predict"))

    class Whole(paddle.nn.Layer):
        """Encoder and head with one argument per input; Paddle requires explicit names."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, token_ids: Any, position_ids: Any, segment_ids: Any, input_mask: Any) -> Any:  # noqa: ANN401
            ids = {"token_ids": token_ids, "position_ids": position_ids, "segment_ids": segment_ids}
            inputs = {**ids, "input_mask": input_mask}
            inputs = {**inputs, **self.model.backbone(inputs, layer=task.settings.layer)}
            outputs = task.paradigm.forward(self.model.heads[task.head], inputs, "predict")
            return [outputs[name] for name in names]

    whole = Whole()
    whole.eval()
    specs = [paddle.static.InputSpec([None, None], "int64", name) for name in _IDS]
    specs.append(paddle.static.InputSpec([None, None], "float32", "input_mask"))
    paddle.jit.save(paddle.jit.to_static(whole, input_spec=specs, full_graph=True), str(prefix))
    return names


def predict(bundle: "Bundle", engine: Engine, dataset: "Dataset") -> list[dict[str, object]]:
    """Predictions of every record, in the order of the file."""
    task = bundle.task
    outputs: dict[int, Outputs] = {}
    for rows in batches(dataset, task.settings.pred_batch_size or task.settings.batch_size):
        batch = task.reader.collate(dataset, rows, np.random.default_rng(0))
        outputs |= dict(zip(rows.tolist(), task.paradigm.split(engine.run(batch), batch), strict=True))
    return task.paradigm.decode([outputs[row] for row in range(dataset.num_examples)], dataset)


def batches(dataset: "Dataset", size: int) -> Iterator["IntArray"]:
    """The batches of PALM's prediction: examples of similar length, the longest first."""
    order = np.argsort(-dataset.lengths, kind="stable")
    yield from (order[start : start + size] for start in range(0, len(order), size))


if __name__ == "__main__":
    main()
