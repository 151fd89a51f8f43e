"""CPU seconds of a training step on the frozen encoder of a model, against one that trains the encoder as well.

    python -m benchmarks.frozen_encoder [--encoder pretrain/minilm-l6-en] [--batch_size 32] [--length 32] [--rounds 15]

One batch of random tokens; a step is forward, backward and update. The cases take turns, so that noise of the machine
meets all of them; the median of the rounds counts.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from palm.backbone import Bert
from palm.balancing.weighting import WEIGHTINGS  # noqa: F401 (registers the components)
from palm.engine.model import MultiTaskModel
from palm.engine.optim import OPTIMIZERS
from palm.engine.optim.freezing import freeze
from palm.engine.optim.optimizer import Optimizer
from palm.paradigm import Classification
from palm.schema.fields import BackboneFields
from palm.schema.settings import TaskSettings, TrainSettings

CLASSES = 10


class _Task:
    """What the model asks of a task."""

    def __init__(self, sharing: str) -> None:
        self.head = "head"
        self.settings = TaskSettings(reader="cls", paradigm="cls")
        self.paradigm = Classification(Classification.Config(n_classes=CLASSES, sharing=sharing))


def step_of(config: BackboneFields, batch: dict[str, np.ndarray], *, sharing: str, frozen: bool) -> Callable[[], None]:
    """A function that trains one step."""
    task = _Task(sharing)
    model = MultiTaskModel(Bert(config), [task], seed=1)
    model.frozen_encoder = "model" if frozen else None
    freeze(model, TrainSettings(), encoder=frozen)
    rule = OPTIMIZERS["adamw"]
    optimizer = Optimizer(model, rule, rule.Config(), by_rows=True)

    def step() -> None:
        model.use_training_mode()
        model.loss(task, batch).backward()
        optimizer.step(1e-4)

    return step


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", type=Path, default=Path("pretrain/minilm-l6-en"))
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--length", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    config = BackboneFields(**json.loads((args.encoder / "config.json").read_text(encoding="utf-8")))
    shape = (args.batch_size, args.length)
    generator = np.random.default_rng(1)
    batch = {
        "token_ids": generator.integers(1000, config.vocab_size, shape),
        "position_ids": np.broadcast_to(np.arange(args.length), shape),
        "segment_ids": np.zeros(shape, np.int64),
        "input_mask": np.ones(shape, np.float32),
        "label_ids": generator.integers(0, CLASSES, args.batch_size),
    }
    cases = {
        f"{sharing}, {'frozen' if frozen else 'trained'}": step_of(config, batch, sharing=sharing, frozen=frozen)
        for sharing in ("hard", "adapter", "lora")
        for frozen in (False, True)
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(args.rounds + 2):
        for name, step in cases.items():
            began = time.process_time()
            step()
            if number > 1:
                seconds[name].append(time.process_time() - began)
    for name, found in seconds.items():
        print(f"{name:18} {1000 * float(np.median(found)):8.1f} ms")


if __name__ == "__main__":
    main()
