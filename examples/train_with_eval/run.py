"""Your own training loop: train, evaluate regularly, keep the best model, stop without improvement.

python run.py --data ../../datasets/snips [--encoder ../../pretrain/minilm-l6-en] [--every 50] [--patience 3]
"""

import argparse
import json
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME.parent))

from public_data import prepare  # noqa: E402 (beside the examples' folders)

import palm  # noqa: E402

BATCH, WIDTH, RATE = 32, 64, 2e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of snips (or atis)")
    parser.add_argument("--encoder", type=Path, default=HOME / "../../pretrain/minilm-l6-en")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--every", type=int, default=50, help="steps between evaluations")
    parser.add_argument("--patience", type=int, default=3, help="evaluations without improvement before the end")
    args = parser.parse_args()
    files = HOME / "data"
    prepare("snips", args.data, files)

    reader = palm.reader.ClassifyReader(args.encoder / "vocab.txt", WIDTH, do_lower_case=True, seed=1)
    reader.load_data(files / "intent.train.tsv", batch_size=BATCH, num_epochs=args.epochs)
    encoder = palm.backbone.BERT.from_config(args.encoder)
    trainer = palm.Trainer("intent")
    loss = trainer.build_forward(encoder, palm.head.Classify(len(reader.labels), encoder.config.hidden_size, 0.1))
    trainer.build_backward(palm.optimizer.Adam(loss, RATE, palm.lr_sched.WarmupScheduler(20)), weight_decay=0.01)
    trainer.fit_reader(reader)
    trainer.load_pretrain(args.encoder)

    best, waited = 0.0, 0
    for step in range(1, args.epochs * (reader.num_examples // BATCH) + 1):
        result = trainer.train_one_step(trainer.get_one_batch())
        if step % args.every and not result.last:
            continue
        metrics = trainer.evaluate(files / "intent.dev.tsv")
        print(f"step {step}: training loss {result.loss:.3f}, dev accuracy {metrics['accuracy']:.4f}")
        improved = metrics["accuracy"] > best
        best, waited = max(best, metrics["accuracy"]), 0 if improved else waited + 1
        if improved:
            trainer.save_predict_model(HOME / "output_model" / "best")
        if waited == args.patience:
            break

    kept = palm.Predictor(HOME / "output_model" / "best")
    print(json.dumps({"best_dev_accuracy": best, "test": kept.evaluate(files / "intent.test.tsv")}))


if __name__ == "__main__":
    main()
