"""Exports a model as a folder for other programs: the graph, tokenizers, labels and settings, compared with PALM."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from palm.data.dataset import Dataset
from palm.engine.task_instance import TaskInstance
from palm.errors import CheckpointError, ConfigError, Problem
from palm.inference.export.card import card
from palm.inference.export.description import (
    ExportedGraph,
    ExportPrecision,
    GraphFormat,
    write_description,
    write_json,
)
from palm.inference.exported import refuse_unwritable
from palm.inference.saved_tasks import load_tasks
from palm.runtime.progress import progress_bar
from palm.schema.saved_model import describes_run, read_json_object, read_saved_run
from palm.spec import Specs, as_spec
from palm.storage.atomic_directory import atomic_directory, verify
from palm.storage.layout import CONFIG_FILE, DESCRIPTION_FILE, MANIFEST_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    from palm.inference.export.quantize import Cost
    from palm.inference.export.verify import OutputDifference
    from palm.inference.runtime import Runtime

GRAPH_FILE = "model.onnx"
_MEGABYTE = 1e6
_OF_TRAINING = (WEIGHTS_FILE, MANIFEST_FILE, CONFIG_FILE, "README.md")
"""Files of a trained model that an exported one has none or others of."""
_MOST_KEPT = 4


@dataclass(frozen=True)
class ExportRequest:
    """What to export.

    Attributes:
        model: A trained model, of a task or of a run.
        target: The folder to write.
        format: ONNX, or Paddle's static format.
        tasks: The tasks; all of them by default.
        precision: Of the graph's weights.
        max_drop: Points (hundredths) of a task's main metric that int8 may cost.
        compares: Whether the graph is compared with PALM.
        program: Name of the files of Paddle's static format, without their endings.
    """

    model: Path
    target: Path
    format: GraphFormat
    tasks: Sequence[str] | None = None
    precision: ExportPrecision = "float32"
    max_drop: float = 0.3
    compares: bool = True
    program: str = "inference"


@dataclass(frozen=True)
class ExportRows:
    """Rows for the comparison, by task.

    Attributes:
        compared: Rows to predict, or with gold labels. For a task without any, rows are made of the vocabulary.
        gold: Rows with gold labels, which int8 is measured on.
    """

    compared: Mapping[str, Dataset] = field(default_factory=dict)
    gold: Mapping[str, Dataset] = field(default_factory=dict)


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes:
        tasks: Names of the tasks.
        graph: The graph.
        file_bytes: Bytes of each of its files.
        differences: Those from PALM's own kernels; None if they were not compared.
        costs: What int8 costs each task.
    """

    tasks: Sequence[str]
    graph: ExportedGraph
    file_bytes: Mapping[str, int]
    differences: "Sequence[OutputDifference] | None"
    costs: "Sequence[Cost]" = ()


Say = Callable[[str], None]


def export_model(request: ExportRequest, rows: Callable[[Sequence[TaskInstance]], ExportRows], say: Say) -> Exported:
    """Write the folder `request.target`, complete or not at all.

    Args:
        request: What to export.
        rows: Gives rows for the tasks; called only where they are needed.
        say: Tells the user a line.

    Raises:
        CheckpointError: The model is damaged, the graph computes something else than PALM, or the folder cannot be
            written or holds something else than an exported model.
        ConfigError: A package is not installed, a component has no writer, or int8 is not measured or costs too much.
    """
    if request.precision == "int8" and request.format != "onnx":
        rule = "8-bit integers are for ONNX graphs: Paddle's own quantisation needs training or calibration."
        raise ConfigError(Problem("--precision", f"{rule} Found --to {request.format}. Use --to onnx, or float32."))
    _refuse_other_models(request.target)
    verify(request.model)
    tasks = load_tasks(request.model, read_saved_run(request.model), request.tasks)
    refuse_unwritable(tasks)
    given = rows(tasks) if request.compares or request.precision == "int8" else ExportRows()
    if request.precision == "int8":
        _check_gold(tasks, given)
    what = f"exporting {request.model.name} to {request.format}"
    with progress_bar(what, None, unit="part"), atomic_directory(request.target, key="--output") as temporary:
        write = _write_onnx if request.format == "onnx" else _write_paddle
        exported = write(request, tasks, given, temporary, say)
        _copy_tokenizer(request.model, temporary)
        _write_config(request.model, temporary, exported.tasks)
        facts = {"verification": _verification(exported), "int8": _int8_facts(exported)}
        write_description(temporary, exported.graph, tasks, **facts)
        text = card(exported.graph, tasks, [str(cost) for cost in exported.costs])
        (temporary / "README.md").write_text(text, encoding="utf-8")
    return exported


def _refuse_other_models(target: Path) -> None:
    """PALM wrote them, so `atomic_directory` would replace them: also the very model that is exported."""
    if (target / MANIFEST_FILE).is_file() and not (target / DESCRIPTION_FILE).is_file():
        rule = "an exported model replaces an exported one, or goes into a new folder."
        raise CheckpointError(f"{target}: {rule} Found something else. Choose another --output.")


def _check_gold(tasks: Sequence[TaskInstance], given: ExportRows) -> None:
    missing = [task.name for task in tasks if task.name not in given.gold]
    if missing:
        rule = "int8 changes answers a little: what it costs is measured on rows with gold labels of each task."
        advice = f"Give them: --dev {missing[0]}=FILE, leave the task out (--tasks), or export in float32."
        raise ConfigError(Problem("--precision int8", f"{rule} Found none for {', '.join(missing)}. {advice}"))


def _write_onnx(
    request: ExportRequest, tasks: Sequence[TaskInstance], given: ExportRows, folder: Path, say: Say
) -> Exported:
    from palm.inference.onnx.assembly import output_name  # noqa: PLC0415 (an extra)
    from palm.inference.onnx.model_file import write_onnx  # noqa: PLC0415
    from palm.inference.onnx.packages import onnx_package  # noqa: PLC0415

    files = write_onnx(request.model, folder / GRAPH_FILE, [task.name for task in tasks], key="--output")
    names = [each.name for each in onnx_package().load(str(files[0]), load_external_data=False).graph.input]
    differences, costs = None, list["Cost"]()
    if request.compares or request.precision == "int8":
        from palm.inference.onnx_runtime import OnnxRuntime  # noqa: PLC0415 (an extra)

        runtime = OnnxRuntime(files[0])
        if request.compares:
            differences = _verified(request, tasks, given, runtime, say)
        if request.precision == "int8":
            costs = _quantized(request, tasks, given, files, runtime, say)
            files = [file for file in files if file.is_file()]
    outputs = {
        task.name: {name: output_name(task.name, name) for name in task.paradigm.outputs_attr("predict")}
        for task in tasks
    }
    graph = ExportedGraph("onnx", request.precision, tuple(file.name for file in files), _specs(tasks, names), outputs)
    return Exported([task.name for task in tasks], graph, _file_bytes(files), differences, costs)


def _write_paddle(
    request: ExportRequest, tasks: Sequence[TaskInstance], given: ExportRows, folder: Path, say: Say
) -> Exported:
    from palm.inference.bundle import load_run  # noqa: PLC0415 (imports Paddle)
    from palm.inference.export.paddle_static import PaddleInference, inputs_of, write_paddle  # noqa: PLC0415
    from palm.runtime.paddle_versions import static_graph_refusal  # noqa: PLC0415

    refusal = static_graph_refusal()
    if refusal:
        rule = "Paddle's static format is written with Paddle 3."
        raise ConfigError(Problem("--to paddle", f"{rule} Found: {refusal}. Use --to onnx, or install Paddle 3."))
    plain = load_run(request.model, [task.name for task in tasks], "plain")
    names = write_paddle(plain.model, plain.tasks, folder, name=request.program)
    inputs = inputs_of(plain.model, plain.tasks)
    differences = None
    if request.compares:
        runtime = PaddleInference(folder, names, plain.tasks, inputs)
        differences = _verified(request, tasks, given, runtime, say)
    # The outputs of Paddle's format have no names: a program that loads it goes by their order, from 0.
    numbers = count()
    outputs = {
        task.name: {name: str(next(numbers)) for name in task.paradigm.outputs_attr("predict")} for task in plain.tasks
    }
    graph = ExportedGraph("paddle", "float32", names, inputs, outputs)
    return Exported([task.name for task in tasks], graph, _file_bytes([folder / name for name in names]), differences)


def _verified(
    request: ExportRequest, tasks: Sequence[TaskInstance], given: ExportRows, runtime: "Runtime", say: Say
) -> "Sequence[OutputDifference]":
    """The differences from PALM's float32, told in a table; refused if one is too large."""
    from palm.inference.bundle import load_run  # noqa: PLC0415 (imports Paddle)
    from palm.inference.export.made_rows import made_rows  # noqa: PLC0415
    from palm.inference.export.verify import TOLERANCE, compare, table  # noqa: PLC0415
    from palm.inference.precision import PredictionPrecision  # noqa: PLC0415
    from palm.inference.runtime import PalmRuntime  # noqa: PLC0415

    loaded = load_run(request.model, [task.name for task in tasks])
    precision = PredictionPrecision("float32", loaded.model)
    reference = PalmRuntime(loaded.model, {task.name: precision for task in tasks})
    datasets = {
        task.name: given.compared[task.name] if task.name in given.compared else made_rows(task) for task in tasks
    }
    differences = compare(reference, runtime, loaded.tasks, datasets)
    say(f"Largest differences of {runtime.name} from PALM in float32, relative above 1, at most {TOLERANCE:g}:")
    for line in table(differences):
        say(f"  {line}")
    wrong = [each for each in differences if not each.passes]
    if wrong:
        rule = f"an exported graph computes what PALM computes, up to {TOLERANCE:g} (--verify)."
        found = f"Found {wrong[0].largest:.1e} in `{wrong[0].task}.{wrong[0].output}`"
        advice = "Nothing was written. Please report this, with the command; `--no-verify` writes it nevertheless."
        raise CheckpointError(f"{request.target}: {rule} {found}. {advice}")
    return differences


def _quantized(
    request: ExportRequest,
    tasks: Sequence[TaskInstance],
    given: ExportRows,
    files: Sequence[Path],
    runtime: "Runtime",
    say: Say,
) -> "list[Cost]":
    """Replace the float32 graph in `files` by one in int8, told with what it costs; refused if that is too much."""
    from palm.inference.export.quantize import costs, quantize, refuse_costly  # noqa: PLC0415 (an extra)
    from palm.inference.onnx_runtime import OnnxRuntime  # noqa: PLC0415

    small = files[0].with_name(f".int8-{GRAPH_FILE}")
    before = sum(_file_bytes(files).values())
    done = quantize(files[0], small)
    found = costs(runtime, OnnxRuntime(small, precision="int8"), tasks, given.gold)
    for cost in found:
        say(f"  {cost}")
    refuse_costly(found, request.max_drop)
    for file in files:
        file.unlink()
    small.rename(files[0])
    after = files[0].stat().st_size
    say(f"int8: {before / _MEGABYTE:.1f} MB of float32 are now {after / _MEGABYTE:.1f} MB.")
    if done.reduced_range:
        say("  Weights have 7 bits: products of 8 bits would overflow on this CPU, which has no VNNI.")
    listed = [f"{name} ({size / _MEGABYTE:.1f} MB)" for name, size in list(done.kept.items())[:_MOST_KEPT]]
    more = f" and {len(done.kept) - _MOST_KEPT} more" if len(done.kept) > _MOST_KEPT else ""
    say(
        "  Not quantised: attention scores, softmax, normalisation, biases"
        + (f", {', '.join(listed)}{more}." if listed else ".")
    )
    return found


def _specs(tasks: Sequence[TaskInstance], names: Sequence[str]) -> Specs:
    """The specs of a graph's inputs, which are fields of a batch."""
    offered = {name: spec for task in tasks for name, spec in task.reader.outputs_attr("predict").items()}
    return {name: as_spec(offered[name]) for name in names}


def _file_bytes(files: Sequence[Path]) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in files}


def _copy_tokenizer(model: Path, target: Path) -> None:
    """Copy the tokenizers, by which PALM itself loads the exported folder."""
    for place in sorted(model.iterdir()):
        if place.is_dir():
            shutil.copytree(place, target / place.name)
        elif place.name not in _OF_TRAINING and not place.name.startswith("int8"):
            shutil.copyfile(place, target / place.name)


def _write_config(model: Path, target: Path, tasks: Sequence[str]) -> None:
    """Write config.json of the trained model with the exported tasks."""
    content = read_json_object(model / CONFIG_FILE)
    if describes_run(content):
        content["tasks"] = {name: content["tasks"][name] for name in tasks}
    write_json(target / CONFIG_FILE, content)


def _verification(exported: Exported) -> dict[str, object] | None:
    if exported.differences is None:
        return None
    return {
        f"{each.task}.{each.output}": {"largest_difference": each.largest, "rows": each.rows}
        for each in exported.differences
    }


def _int8_facts(exported: Exported) -> dict[str, object] | None:
    if not exported.costs:
        return None
    return {
        cost.task: {
            **{"metric": cost.metric, "float32": cost.float32, "int8": cost.int8, "rows": cost.rows},
            "drop": round(cost.drop, 6),
        }
        for cost in exported.costs
    }
