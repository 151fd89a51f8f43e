"""README.md of an exported folder: what is in it, and how a program loads it."""

from collections.abc import Sequence

from palm.engine.task_instance import TaskInstance
from palm.inference.export.description import ExportedGraph
from palm.storage.layout import DESCRIPTION_FILE, PALM_VERSION

_FORMATS = {"onnx": "ONNX", "paddle": "the static format of Paddle"}
_LOADING = {
    "onnx": """\
```python
import json
import numpy as np
import onnxruntime

description = json.load(open("export.json", encoding="utf-8"))
session = onnxruntime.InferenceSession("{file}")
outputs = session.run(["{output}"], inputs)  # inputs: a numpy array for each of description["inputs"]
```

`examples/infer_onnx` of PALM goes from texts to labels with ONNX Runtime, tokenizers and numpy alone. PALM itself loads
this folder, too: `palm.load("THIS FOLDER")`.
""",
    "paddle": """\
```python
from paddle import inference

config = inference.Config("{file}", "{parameters}")
predictor = inference.create_predictor(config)
for name in predictor.get_input_names():
    predictor.get_input_handle(name).copy_from_cpu(inputs[name])  # a numpy array for each input
predictor.run()
names = predictor.get_output_names()  # in the order of the numbers that export.json calls outputs by
output = predictor.get_output_handle(names[0]).copy_to_cpu()
```
""",
}


def card(graph: ExportedGraph, tasks: Sequence[TaskInstance], costs: Sequence[str]) -> str:
    """The text.

    Args:
        graph: The exported graph.
        tasks: Its tasks.
        costs: What int8 costs each task, in words.
    """
    first = tasks[0].name
    loading = _LOADING[graph.format].format(
        file=graph.files[0], parameters=graph.files[-1], output=next(iter(graph.outputs[first].values()))
    )
    rows = "".join(
        f"| {task.name} | {', '.join(task.reader.text_columns)} | {', '.join(graph.outputs[task.name].values())} |\n"
        for task in tasks
    )
    measured = "".join(f"* {cost}\n" for cost in costs)
    return (
        f"# {', '.join(task.name for task in tasks)}\n\n"
        f"A model in {_FORMATS[graph.format]}, {graph.precision}, exported by PALM {PALM_VERSION} (`palm export`).\n\n"
        "| task | columns of a row | outputs of the graph |\n|---|---|---|\n"
        f"{rows}\n"
        + (f"What 8-bit integers cost on rows with gold labels:\n\n{measured}\n" if measured else "")
        + f"Tokenizers, labels, the inputs and the settings of each task are in `{DESCRIPTION_FILE}`, which "
        "docs/export.md of PALM explains.\n\n"
        f"## Loading\n\n{loading}"
    )
