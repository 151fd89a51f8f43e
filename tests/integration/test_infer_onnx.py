"""examples/infer_onnx: texts to predictions without PALM and without Paddle, equal to what `palm pred` says."""

import json
import os
import random
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import palm
from palm.data.dataset import LabelMap
from palm.data.tokenizer import Tokenizer
from palm.engine.task_instance import TaskInstance
from palm.inference.calibrated import write_calibrations
from palm.inference.export.description import ExportedGraph, read_description, write_description
from palm.paradigm.base import PARADIGMS
from palm.reader.base import READERS
from palm.reader.loading import load_rows
from palm.schema.saved_model import SavedCalibration
from palm.schema.settings import TaskSettings
from tests.integration import all_heads
from tests.integration.all_heads import assert_close
from tests.palm_command import palm_here
from tests.small_tokenizers import KINDS

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "infer_onnx"
ENGLISH = [
    "Fish",
    "café",
    "naïve",
    "swims",
    "[SEP]",
    "</s>",
    "New",
    "York",
    "don't",
    "river,",
    "e\u0301te\u0301",
    "\u200bq",
]
CHINESE = ["红鱼", "在河", "里游,", "北京", "大学", "Fish", "[SEP]", "谁?", "é"]
LABELS = LabelMap(("a", "b", "c"))
BIO = LabelMap(("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), tag_scheme="bio")
WHOLE = LabelMap(("O", "B-PER", "I-PER", "E-PER", "S-PER"), tag_scheme="iobes")
RULES = LabelMap(("↓0;0¦¦0¦", "↓0;0¦¦1¦", "↑0¦↓1;1¦un¦2¦y", ";=go", "↑-1;0¦¦0¦"), tag_scheme="none")
RELATIONS = LabelMap(("det", "nsubj", "parataxis", "root"))
OF_SPANS = LabelMap(("O", "B-PER", "I-PER"), tag_scheme="bio", splits_text=True)
SHORT: dict[str, Any] = {"max_seq_len": 20, "max_query_len": 6, "doc_stride": 5}
NEGATIVE: dict[str, Any] = {"max_answer_len": 4, "with_negative": True, "n_best_size": 3}
WORDED = LabelMap(("a", "b", "c"), words=(("红",), ("鱼", "river"), ("大学",)))
HARD = "{'text': 'text_a'} 鱼在 {'mask'} , swims{'text': 'text_b', 'token_type': 1}。"
SOFT = "{'soft': '红鱼', 'length': 4}{'text': 'text_a'}{'soft_id': 2}{'mask': None, 'length': 2}{'soft_id': 2}"
ENDS = "{'mask', 'position': 0}river{'text': 'text_a'}{'sep'}"
BOTH = "{'text': 'text_a'}{'sep'}{'text': 'text_b'}在{'mask'}"
SEVERAL = {"label_kind": "several", "verbalizer": "soft"}
TASKS: dict[str, tuple[str, str, LabelMap | None, dict[str, Any], dict[str, Any]]] = {
    "class": ("cls", "cls", LABELS, {"max_seq_len": 12}, {}),
    "pair": ("match", "match", None, {"max_seq_len": 15}, {}),
    "sets": ("cls", "multi_label", LABELS, {"label_kind": "several"}, {}),
    "number": ("match", "regression", None, {"label_kind": "number"}, {}),
    "which": ("choice", "choice", None, {"max_seq_len": 14}, {}),
    "near": ("pairwise_match", "pairwise_match", None, {}, {}),
    "few": ("embed", "embed", LABELS, {"max_seq_len": 12}, {"with_embedding": True}),
    "alike": ("embed_pairs", "embed_pairs", None, {"max_seq_len": 12}, {"with_embedding": True}),
    "masked": ("mlm", "mlm", None, {"max_seq_len": 60}, {}),
    "tags": ("seq_label", "seq_label", BIO, {"max_seq_len": 9}, {}),
    "crf": ("seq_label", "seq_label", WHOLE, {"max_seq_len": 9}, {"head": "crf"}),
    "spans": ("seq_label", "seq_label", OF_SPANS, {"max_seq_len": 9}, {}),
    "nested": ("spans", "spans", LABELS, {"max_seq_len": 9}, {"span_threshold": 0.5}),
    "apart": ("spans", "spans", LABELS, {"max_seq_len": 8}, {"span_scorer": "biaffine"}),
    "lemmas": ("seq_label", "seq_label", RULES, {"max_seq_len": 9}, {}),
    "trees": ("parse", "parse", RELATIONS, {"max_seq_len": 9}, {}),
    "names": ("parse", "parse", LABELS, {"max_seq_len": 40}, {}),
    "answer": ("mrc", "mrc", None, SHORT, {"max_answer_len": 4}),
    "topic": ("prompt", "prompt", WORDED, {"prompt": HARD, "max_seq_len": 30}, {}),
    "learned": ("prompt", "prompt", WORDED, {"prompt": SOFT, "max_seq_len": 24}, {"verbalizer": "soft"}),
    "topics": ("prompt", "prompt", WORDED, {"prompt": ENDS, "max_seq_len": 14, "truncate_mode": "head"}, SEVERAL),
    "fitting": ("prompt", "prompt", WORDED, {"prompt": "{'options'}是"}, {"verbalizer": "none"}),
    "limited": ("prompt", "prompt", WORDED, {"prompt": BOTH, "truncate_mode": "manual", "first_max_length": 4}, {}),
    "maybe": ("mrc", "mrc", None, {**SHORT, "with_negative": True}, NEGATIVE),
}


@pytest.fixture(scope="module")
def example() -> Any:
    """The modules `encode` and `decode` of the example."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLE))
        import decode
        import encode

        yield {"encode": encode, "decode": decode}
        for name in ("encode", "decode", "trees"):
            sys.modules.pop(name, None)


def task_of(name: str, tokenizer: Tokenizer, *, for_cn: bool) -> TaskInstance:
    reader, paradigm, labels, of_reader, of_paradigm = TASKS[name]
    chinese = {"for_cn": for_cn}
    if "for_cn" in PARADIGMS[paradigm].Config.model_fields:
        of_paradigm = {**of_paradigm, **chinese}
    made = READERS[reader](READERS[reader].Config(**of_reader, **chinese), tokenizer, labels)
    kind = PARADIGMS[paradigm]
    form = {"prompt": made.prompt_form} if kind.answers_prompts else {}
    head = kind(kind.Config(**of_paradigm), labels, vocab=tokenizer.readable_tokens, **form)
    return TaskInstance(name, TaskSettings(reader=reader, paradigm=paradigm), made, head, name, 0)


def rows_for(task: TaskInstance, words: list[str], chance: random.Random, *, for_cn: bool) -> list[dict[str, Any]]:
    def text(most: int) -> str:
        glue = "" if for_cn and chance.random() < 0.7 else " "
        return glue.join(chance.choice(words) for _ in range(chance.randint(1, most)))

    rows = []
    for _ in range(12):
        row: dict[str, Any] = {column: text(14) for column in task.reader.text_columns}
        if "choices" in row:
            row["choices"] = [text(8) for _ in range(chance.randint(2, 4))]
        if "context" in row:
            row |= {"context": text(40), "question": text(8), "id": "7"}
        if task.paradigm.predicts_tokens:
            row["text_a"] = f"{text(3)} [MASK] {text(3)}"
        rows.append(row)
    return rows


def random_outputs(task: TaskInstance, batch: Any, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Numbers of the shapes that the paradigm declares."""
    rows, seq = batch["token_ids"].shape
    labels = 2 if task.reader.labels is None else len(task.reader.labels)
    sizes = {
        **{"batch": rows, "seq": seq, "hidden": 6, "class": labels, "before": labels + 2, "one": 1, "top": 5},
        **{"mask": len(batch.get("mask_pos", ())), "choice": rows},
    }
    found = {}
    for name, spec in task.paradigm.outputs_attr("predict").items():
        axes = spec.axes.split()
        shape = [1 if is_of_candidates(axes, batch) and axis == "batch" else sizes[axis] for axis in axes]
        whole = spec.dtype == "int64"
        found[name] = (
            generator.integers(0, labels if name == "relation_ids" else 50, shape)
            if whole
            else generator.normal(size=shape).astype("float32")
        )
    return found


def is_of_candidates(axes: list[str], batch: Any) -> bool:
    """Whether an output has a column for each candidate of an example."""
    return axes[1:] == ["choice"] or (axes[1:] == ["class"] and "choice_rows" in batch)


def check_row(task: TaskInstance, row: dict[str, Any], described: Any, encoder: Any, example: Any, chance: int) -> None:
    """The example's sequences, and its prediction from given outputs, are PALM's."""
    reader, paradigm, spec = task.reader, task.paradigm, described["tasks"][task.name]
    dataset = load_rows(reader, [row], "predict")
    batch = reader.collate(dataset, np.arange(dataset.num_examples), np.random.default_rng(0))
    lengths = batch["input_mask"].sum(axis=1).astype(int)
    prepared = {"id": "0", **row}
    if spec["reader"] in ("seq_label", "parse"):
        prepared = example["encode"].with_words(prepared, spec)
    settings = {**spec["reader_settings"], "encoding_rules": spec["encoding_rules"]}
    sequences = example["encode"].ENCODE[spec["reader"]](prepared, encoder, settings)
    assert len(sequences) == len(lengths)
    if spec["reader"] == "prompt":
        check_prompt(sequences, batch)
    for place, (sequence, length) in enumerate(zip(sequences, lengths, strict=True)):
        assert sequence["token_ids"] == batch["token_ids"][place, :length].tolist()
        assert sequence["segment_ids"] == batch["segment_ids"][place, :length].tolist()
    outputs = random_outputs(task, batch, np.random.default_rng(chance))
    [ours] = paradigm.decode(paradigm.split(outputs, batch), dataset)
    for place, (sequence, length) in enumerate(zip(sequences, lengths, strict=True)):
        for name, array in outputs.items():
            axes = spec["outputs"][name]["axes"]
            if is_of_candidates(axes, batch):
                sequence[name] = array[0, place : place + 1]
            elif axes[0] == "batch":
                inside = tuple(slice(length if axis == "seq" else None) for axis in axes[1:])
                sequence[name] = array[place][inside]
            else:
                sequence[name] = array
    tokens = list(reader.tokenizer.readable_tokens)
    theirs = example["decode"].DECODE[spec["paradigm"]](prepared, sequences, {**spec, "tokens": tokens})
    assert json.dumps({**theirs}, sort_keys=True) == json.dumps({key: ours[key] for key in theirs}, sort_keys=True)
    assert set(ours) - set(theirs) <= {"index"}


def check_prompt(sequences: list[dict[str, Any]], batch: Any) -> None:
    for place, sequence in enumerate(sequences):
        length = len(sequence["token_ids"])
        assert sequence["soft_ids"] == batch["soft_ids"][place, :length].tolist()
        assert sequence["position_ids"] == batch["position_ids"][place, :length].tolist()
        if "mask_positions" in batch:
            assert sequence["mask_positions"] == batch["mask_positions"][place].tolist()


@pytest.mark.parametrize("for_cn", [False, True], ids=["english", "chinese"])
@pytest.mark.parametrize("kind", ["vocab.txt", *KINDS])
def test_texts_are_encoded_and_outputs_decoded_as_palm_does(
    kind: str, for_cn: bool, example: Any, small_tokenizers: dict[str, Path], repository: Path, tmp_path: Path
) -> None:
    if kind == "vocab.txt":
        file = repository / "data" / "vocab" / f"vocab_{'zh' if for_cn else 'en'}.txt"
        tokenizer = Tokenizer.from_file(file, do_lower_case=True, for_cn=for_cn)
    else:
        tokenizer = Tokenizer.from_folder(small_tokenizers[kind], for_cn=for_cn)
    tasks = [task_of(name, tokenizer, for_cn=for_cn) for name in TASKS]
    outputs = {task.name: {name: name for name in task.paradigm.outputs_attr("predict")} for task in tasks}
    write_description(tmp_path, ExportedGraph("onnx", "float32", ("model.onnx",), {}, outputs), tasks)
    described = read_description(tmp_path)
    encoders = {
        name: example["encode"].TextEncoder(tmp_path / name, settings)
        for name, settings in described["tokenizers"].items()
    }
    chance = random.Random(f"{kind} {for_cn}")
    for task in tasks:
        encoder = encoders[described["tasks"][task.name]["tokenizer"]]
        for number, row in enumerate(rows_for(task, CHINESE if for_cn else ENGLISH, chance, for_cn=for_cn)):
            check_row(task, row, described, encoder, example, number)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every paradigm in `out`, and all its tasks as an ONNX graph in `onnx`."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    folder = tmp_path_factory.mktemp("例")
    controller = palm.Controller(all_heads.config(folder), overrides=[])
    training = controller._training_run()
    all_heads.train(training)
    all_heads.save_both(training, folder / "out")
    tempered = [task.name for task in training.tasks if task.paradigm.uncalibrated is None]
    write_calibrations(folder / "out" / "infer_model", dict.fromkeys(tempered, SavedCalibration(temperature=1.75)))
    done = palm_here("export", folder / "out", "--to", "onnx", "--no-verify", "--output", folder / "onnx")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_it_predicts_in_an_environment_without_palm_and_paddle(exported: Path, tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv")
    program = Path(shutil.copytree(EXAMPLE, tmp_path / "例子"))
    run = palm.load(exported / "out")
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    gone = subprocess.run([python, "-c", "import palm"], env=clean, capture_output=True, cwd=tmp_path, check=False)
    assert gone.returncode == 1
    rows = {task: all_heads.rows_for(run.text_columns(task), masked=run[task].paradigm.predicts_tokens) for task in run}
    for task, own in rows.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in own)
        (tmp_path / f"{task}.jsonl").write_text(text, encoding="utf-8")
    # One program by itself, and one after the other in a single process, which imports ONNX Runtime once.
    words = ["run.py", str(exported / "onnx"), "{task}", f"{tmp_path}/{{task}}.jsonl", "--threads", "1"]
    calls = {task: [word.format(task=task) for word in words] for task in run}
    first, *others = run
    found = {first: lines_of(python, *calls[first], cwd=program, env=clean)}
    lines = lines_of(python, "-c", IN_ONE_PROCESS, json.dumps([calls[task] for task in others]), cwd=program, env=clean)
    for task in others:
        found[task], lines = lines[: len(rows[task])], lines[len(rows[task]) :]
    assert lines == []
    for task, theirs in found.items():
        ours = run[task].predict_rows(rows[task])
        assert len(theirs) == len(ours)
        for one, other in zip(ours, theirs, strict=True):
            assert_close(json.loads(json.dumps({name: one[name] for name in other})), other, task)


IN_ONE_PROCESS = """
import json, runpy, sys
sys.path.insert(0, ".")
for sys.argv in json.loads(sys.argv[1]):
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def lines_of(*words: str, cwd: Path, env: dict[str, str]) -> list[Any]:
    """The JSON lines that a program prints."""
    done = subprocess.run(words, env=env, capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def make_environment(folder: Path) -> str:
    """A new virtual environment with what the example needs, and nothing else."""
    venv.create(folder)
    python = str(folder / "bin" / "python")
    wanted = (EXAMPLE / "requirements.txt").read_text(encoding="utf-8").split()
    pip = [sys.executable, "-m", "pip", "--python", python]
    words = [*pip, "install", "--quiet", "--disable-pip-version-check", "--retries", "1", *wanted]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot install {', '.join(wanted)}: {done.stderr.strip().splitlines()[-1:]}")
    return python


def test_the_modules_are_programs(example: dict[str, ModuleType]) -> None:
    without_graph = {"seq2seq"}
    assert set(example["encode"].ENCODE) == set(READERS) - without_graph
    assert set(example["decode"].DECODE) == set(PARADIGMS) - without_graph
