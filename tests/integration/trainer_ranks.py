"""Two trainers of PALM 2's Python API in this process: `python -m tests.integration.trainer_ranks FOLDER`.

Writes what they did as `FOLDER/<processes>.<rank>.json`; a batch has eight rows over all processes.
"""

import hashlib
import json
import sys
from pathlib import Path

import palm
from palm.distributed.ranks import current_ranks
from palm.errors import ConfigError
from tests.integration import tiny


def main(words: list[str]) -> int:
    """Train by `train()` and by steps of a loop, predict and evaluate."""
    folder, ranks = Path(words[0]), current_ranks()
    found = {name: _trained(folder, ranks.count, by_steps=by_steps) for name, by_steps in (("whole", 0), ("loop", 1))}
    file = folder / f"{ranks.count}.{ranks.index}.json"
    file.write_text(json.dumps(found), encoding="utf-8")
    return 0


def _trained(folder: Path, count: int, *, by_steps: bool) -> dict[str, object]:
    place = folder / f"{count}" / ("loop" if by_steps else "whole")
    vocab = str(folder / "vocab.txt")
    train, dev = str(folder / "t.train.tsv"), str(folder / "t.dev.tsv")
    reader = palm.reader.ClassifyReader(vocab, 24, seed=1, do_lower_case=True)
    reader.load_data(train, 8 // count, num_epochs=2)
    backbone = palm.backbone.BERT.from_config(tiny.BACKBONE)
    head = palm.head.Classify(2, tiny.BACKBONE["hidden_size"], 0.1)
    trainer = palm.Trainer("t", pred_batch_size=5)
    optimizer = palm.optimizer.Adam(trainer.build_forward(backbone, head), 5e-3)
    trainer.build_backward(optimizer)
    batches = trainer.fit_reader(reader)
    trainer.set_saver(place, 4, "ckpt,predict")
    losses = []
    if by_steps:
        for batch in batches:
            losses.append(trainer.train_one_step(batch).loss)
    else:
        trainer.train(print_steps=1)
    other = None
    try:  # a batch that is none of the run's
        if count > 1:
            trainer.train_one_step({})
    except ConfigError as error:
        other = str(error)
    predicted = palm.reader.ClassifyReader(vocab, 24, seed=1, do_lower_case=True, phase="predict")
    predicted.load_data(dev, 5)
    trainer.fit_reader(predicted, "predict")
    parameters = sorted(trainer.session.model.state_dict().items())
    digest = hashlib.sha256(b"".join(value.numpy().tobytes() for _, value in parameters))
    return {
        "losses": losses,
        "steps": trainer.cur_train_step,
        "other": other,
        "sha256": digest.hexdigest(),
        "predictions": trainer.predict(place / "predictions"),
        "metrics": trainer.evaluate(dev),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
