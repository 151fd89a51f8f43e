"""Predict with a model that `palm export --to onnx` wrote, without PALM and without Paddle.

python run.py EXPORTED intent rows.jsonl
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from decode import DECODE
from encode import ENCODE, TextEncoder, with_words

BATCH = 32


class Model:
    """An exported folder: the graph with all its tasks, their tokenizers and labels.

    Args:
        folder: What `palm export --to onnx` wrote.
        threads: Threads of ONNX Runtime; 0: as many as cores.
    """

    def __init__(self, folder: Path, threads: int = 0) -> None:
        self.description = json.loads((folder / "export.json").read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        file = str(folder / self.description["files"][0])
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        # Of a graph with several heads, compute only what is asked for.
        self.run_options = onnxruntime.RunOptions()
        self.run_options.only_execute_path_to_fetches = True
        tokenizers = self.description["tokenizers"]
        self.encoders = {name: TextEncoder(folder / name, settings) for name, settings in tokenizers.items()}
        if (folder / "tokens.json").exists():
            self.tokens = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))

    def predict(self, name: str, rows: list[dict]) -> list[dict]:
        """The predictions of the task `name`, one for each row."""
        task = self.description["tasks"][name]
        if task["reader"] not in ENCODE or task["paradigm"] not in DECODE:
            raise SystemExit(
                f"{name}: its reader `{task['reader']}` or paradigm `{task['paradigm']}` is not known here."
            )
        if task["paradigm"] == "mlm":
            task = {**task, "tokens": self.tokens}
        rows = [{"id": str(place), **row} for place, row in enumerate(rows)]
        if task["reader"] in ("seq_label", "parse"):
            rows = [with_words(row, task) for row in rows]
        encoder = self.encoders[task["tokenizer"]]
        settings = {**task["reader_settings"], "encoding_rules": task.get("encoding_rules")}
        encoded = [ENCODE[task["reader"]](row, encoder, settings) for row in rows]
        sequences = [sequence for own in encoded for sequence in own]
        for start in range(0, len(sequences), BATCH):
            self.compute(task, sequences[start : start + BATCH], encoder.settings["pad_id"])
        return [DECODE[task["paradigm"]](row, own, task) for row, own in zip(rows, encoded, strict=True)]

    def compute(self, task: dict, sequences: list[dict], pad_id: int) -> None:
        """Add the model's outputs to each of `sequences`."""
        inputs = batch_of(sequences, pad_id)
        wanted = self.description["inputs"]
        outputs = task["outputs"]
        arrays = self.session.run(
            [output["name"] for output in outputs.values()],
            {name: inputs[name].astype(wanted[name]["dtype"]) for name in wanted},
            self.run_options,
        )
        for (name, output), array in zip(outputs.items(), arrays, strict=True):
            self.share_out(name, output["axes"], array, sequences)

    def share_out(self, name: str, axes: list[str], array: np.ndarray, sequences: list[dict]) -> None:
        """Give each of `sequences` its part of an output, without padding."""
        first_mask = 0
        for place, sequence in enumerate(sequences):
            if axes[0] == "mask":  # one row for each [MASK]
                count = len(sequence.get("masks", []))
                sequence[name] = array[first_mask : first_mask + count]
                first_mask += count
            elif axes[0] == "batch":
                own = array[place]
                length = len(sequence["token_ids"])
                sequence[name] = own[tuple(slice(length if axis == "seq" else None) for axis in axes[1:])]
            else:  # the same for all, such as the transitions of a CRF
                sequence[name] = array


def batch_of(sequences: list[dict], pad_id: int) -> dict[str, np.ndarray]:
    """All inputs that a graph may have, padded to the longest sequence."""
    width = max(len(sequence["token_ids"]) for sequence in sequences)
    shape = len(sequences), width
    tokens, segments, mask = np.full(shape, pad_id), np.zeros(shape, "int64"), np.zeros(shape, "float32")
    starts = np.zeros(shape, "float32")
    soft, positions = np.zeros(shape, "int64"), np.tile(np.arange(width), (len(sequences), 1))
    for place, sequence in enumerate(sequences):
        length = len(sequence["token_ids"])
        tokens[place, :length], segments[place, :length] = sequence["token_ids"], sequence["segment_ids"]
        mask[place, :length] = 1
        if "word_index" in sequence:
            starts[place, :length] = np.array(sequence["word_index"]) >= 0
        if "soft_ids" in sequence:  # of a prompt
            soft[place, :length], positions[place, :length] = sequence["soft_ids"], sequence["position_ids"]
    masks = [place * width + mask for place, sequence in enumerate(sequences) for mask in sequence.get("masks", [])]
    return {
        "token_ids": tokens,
        "segment_ids": segments,
        "position_ids": positions,
        "task_ids": np.zeros(shape, "int64"),
        "input_mask": mask,
        "word_starts": starts,
        # Of heads that are not asked, or have one sequence for each candidate.
        "mask_pos": np.array(masks or [0]),
        "mask_positions": np.array([sequence.get("mask_positions", [0]) for sequence in sequences]),
        "soft_ids": soft,
        "choice_rows": np.arange(len(sequences))[:, None],
        "choice_mask": np.ones((len(sequences), 1), "float32"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what palm export --to onnx wrote")
    parser.add_argument("task", help="one of its tasks")
    parser.add_argument("rows", type=Path, help='one JSON object a line, such as {"text_a": "book me a room"}')
    parser.add_argument("--threads", type=int, default=0, help="threads of ONNX Runtime (default: one for each core)")
    args = parser.parse_args()

    rows = [json.loads(line) for line in args.rows.read_text(encoding="utf-8").splitlines() if line.strip()]
    model = Model(args.folder, args.threads)
    if args.task not in model.description["tasks"]:
        parser.error(f"no task `{args.task}` here, but {', '.join(model.description['tasks'])}")
    for prediction in model.predict(args.task, rows):
        print(json.dumps(prediction, ensure_ascii=False))


if __name__ == "__main__":
    main()
