"""Intent and slots of ATIS with the Python API: two heads, trained alternately, predicted from one pass of the encoder.

python run.py --data ../../datasets/atis [--encoder ../../pretrain/minilm-l6-en] [--epochs 10]
"""

import argparse
import json
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME.parent))

from public_data import prepare  # noqa: E402 (beside the examples' folders)

import palm  # noqa: E402
from palm.metric import accuracy, span_f1  # noqa: E402

RATE, DECAY, DROPOUT, WIDTH, BATCH = 3e-4, 0.01, 0.1, 64, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of atis (or snips)")
    parser.add_argument("--encoder", type=Path, default=HOME / "../../pretrain/minilm-l6-en")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    files = HOME / "data"
    prepare("atis", args.data, files)
    vocab = args.encoder / "vocab.txt"

    # readers
    slot_reader = palm.reader.SequenceLabelReader(vocab, WIDTH, do_lower_case=True, seed=1)
    intent_reader = palm.reader.ClassifyReader(vocab, WIDTH, do_lower_case=True, seed=1)
    slot_reader.load_data(files / "slots.train.tsv", batch_size=BATCH)
    intent_reader.load_data(files / "intent.train.tsv", batch_size=BATCH)

    # one encoder, two heads
    encoder = palm.backbone.BERT.from_config(args.encoder)
    slot_reader.register_with(encoder)
    intent_reader.register_with(encoder)
    slot_head = palm.head.SequenceLabel(len(slot_reader.labels), encoder.config.hidden_size, DROPOUT)
    intent_head = palm.head.Classify(len(intent_reader.labels), encoder.config.hidden_size, DROPOUT)

    # one trainer per task, and one for both
    slots, intent = palm.Trainer("slot", mix_ratio=1.0), palm.Trainer("intent", mix_ratio=1.0)
    both = palm.MultiHeadTrainer([slots, intent])
    slots.build_forward(encoder, slot_head)
    intent.build_forward(encoder, intent_head)
    loss = both.build_forward()
    steps = 2 * args.epochs * (slot_reader.num_examples // BATCH)
    schedule = palm.lr_sched.TriangularSchedualer(int(0.1 * steps), steps)
    both.build_backward(palm.optimizer.Adam(loss, RATE, schedule), weight_decay=DECAY)
    both.fit_readers_with_mixratio([slot_reader, intent_reader], "slot", args.epochs)
    both.load_pretrain(args.encoder)
    both.set_saver(HOME / "output_model", save_steps=-1, save_type="ckpt,predict")
    both.train(print_steps=50)

    # both heads on the test file, from one pass
    reader = palm.reader.SequenceLabelReader(vocab, WIDTH, do_lower_case=True, phase="predict")
    reader.load_data(files / "slots.test.tsv", batch_size=BATCH)
    both.fit_reader(reader)
    found = both.predict(HOME / "output_model" / "predictions")
    gold = {name: list(rows(files / f"{name}.test.tsv")) for name in ("intent", "slots")}
    intents = [{"label": label} for label, _ in gold["intent"]]
    tags = [{"labels": labels.split()} for _, labels in gold["slots"]]
    print(json.dumps({**accuracy(found["intent"], intents), **span_f1(found["slot"], tags)}))


def rows(file: Path) -> list[list[str]]:
    """Rows of a tsv without its header."""
    return [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[1:]]


if __name__ == "__main__":
    main()
