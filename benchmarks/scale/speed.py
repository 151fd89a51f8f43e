"""Examples per second of one process and of two with the same total of threads, and the bytes that they exchange."""

import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import palm
from benchmarks.scale.processes import start
from palm.distributed.ranks import Ranks, current_ranks
from palm.engine.train import train_steps
from tests.integration import tiny

Keys = dict[str, Any]
SIZES: Mapping[str, Keys] = {
    "6 layers, 384 wide": {
        "num_hidden_layers": 6, "hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536,
    },
    "12 layers, 768 wide": {
        "num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072,
    },
}  # fmt: skip
VOCABULARY, TOKENS = 30522, 32
_SETTLE = 3


def main(words: list[str]) -> int:
    """The process that is measured: `python -m benchmarks.scale.speed CONFIG STEPS RESULT`."""
    config, steps, result = json.loads(Path(words[0]).read_text(encoding="utf-8")), int(words[1]), Path(words[2])
    ranks = current_ranks()
    sent, seconds = _counted(ranks), list[float]()
    run = palm.Controller(config, overrides=[])._training_run()
    training = train_steps(run)
    for number in range(_SETTLE + steps):
        if number == _SETTLE:
            sent.clear()
        began = time.perf_counter()
        next(training)
        if number >= _SETTLE:
            seconds.append(time.perf_counter() - began)
    training.close()
    waited = sum(each for _, each in sent)
    size = sum(4 * parameter.size for parameter in run.model.parameters())
    table = 4 * VOCABULARY * int(config["hidden_size"])
    found = {"step": statistics.median(seconds), "exchange": waited / steps, "bytes": sum(n for n, _ in sent) / steps}
    found |= {"model": size, "table": table}
    if ranks.first:
        result.write_text(json.dumps(found), encoding="utf-8")
    return 0


def _counted(ranks: Ranks) -> list[tuple[int, float]]:
    """Bytes and seconds of each sum over the ranks from now on."""
    sent: list[tuple[int, float]] = []
    true_sum = ranks.sum_in_place

    def counted(flat: Any) -> None:  # noqa: ANN401 (a tensor)
        began = time.perf_counter()
        true_sum(flat)
        sent.append((4 * int(flat.size), time.perf_counter() - began))

    ranks.sum_in_place = counted  # type: ignore[method-assign]
    return sent


def measure(name: str, folder: Path, *, count: int, threads: int, batch: int, steps: int) -> dict[str, Any]:
    """Measure `count` processes with a batch of `batch` rows in all.

    Args:
        name: One of `SIZES`.
        folder: For everything that is written.
        count: Number of processes.
        threads: Threads of all processes together.
        batch: Rows of a step, of all processes.
        steps: Measured steps.
    """
    place = folder / f"{count}"
    place.mkdir(parents=True, exist_ok=True)
    config = _config(place, name, batch)
    file = place / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    words = ["benchmarks.scale.speed", str(file), str(steps), str(place / "result.json")]
    start(words, count=count, logs=place, threads=max(1, threads // count)).wait(900)
    found: dict[str, Any] = json.loads((place / "result.json").read_text(encoding="utf-8"))
    return {"size": name, "processes": count, "threads": threads, "batch": batch, **found}


def _config(folder: Path, name: str, batch: int) -> Keys:
    words = [f"w{number}" for number in range(VOCABULARY - len(tiny.SPECIAL))]
    vocabulary = folder / "words.txt"
    vocabulary.write_text("\n".join([*tiny.SPECIAL, *words]) + "\n", encoding="utf-8")
    rows = [
        [
            "odd" if number % 2 else "even",
            " ".join(words[(number * 97 + k * 31) % len(words)] for k in range(TOKENS - 2)),
        ]
        for number in range(512)
    ]
    task = {
        "reader": "cls",
        "paradigm": "cls",
        "train_file": tiny.write_tsv(folder / "t.tsv", ["label", "text_a"], rows),
    }
    keys = {**SIZES[name], "vocab_size": VOCABULARY, "max_seq_len": TOKENS, "max_position_embeddings": 64}
    keys |= {"vocab_path": str(vocabulary), "global_batch_size": batch, "num_epochs": 1000, "learning_rate": 1e-4}
    return {**tiny.config(folder, {"odd": task}), **keys}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
