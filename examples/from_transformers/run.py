"""From transformers to PALM: the same encoder, data and settings, once in a loop with transformers and once with PALM.

python run.py --data ../../datasets/mrpc [--encoder ../../pretrain/minilm-l6-en] [--epochs 3] [--rows 4076]

Needs PyTorch and transformers (pip install .[parity]). The sides run one after the other, each in a separate process.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(__file__).resolve().parent
sys.path.insert(0, str(HOME.parent))

from public_data import prepare  # noqa: E402 (beside the examples' folders)

BATCH, WIDTH, RATE, DECAY, WARMUP = 32, 128, 1e-4, 0.01, 0.1


def with_transformers(args: argparse.Namespace, files: Path) -> float:
    """Fine-tune and evaluate as in its documentation: batches of similar length, AdamW, linear decay, clipping at 1."""
    import torch  # noqa: PLC0415 (each side imports what it needs)
    from transformers import (  # noqa: PLC0415 (as above)
        AutoModelForSequenceClassification,
        AutoTokenizer,
        get_linear_schedule_with_warmup,
    )

    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(args.encoder)
    model = AutoModelForSequenceClassification.from_pretrained(args.encoder, num_labels=2)
    train, test = read(files / "train.tsv")[: args.rows], read(files / "test.tsv")
    decayed = [parameter for name, parameter in model.named_parameters() if not kept(name)]
    others = [parameter for name, parameter in model.named_parameters() if kept(name)]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    steps = args.epochs * (len(train) // BATCH)
    schedule = get_linear_schedule_with_warmup(optimizer, int(WARMUP * steps), steps)

    def encoded(rows: list[list[str]]) -> dict:
        pairs = [row[1] for row in rows], [row[2] for row in rows]
        return tokenizer(*pairs, truncation=True, max_length=WIDTH, padding=True, return_tensors="pt")

    model.train()
    for _ in range(args.epochs):
        order = torch.randperm(len(train)).tolist()[: len(train) // BATCH * BATCH]
        for start in range(0, len(order), BATCH):
            rows = [train[place] for place in order[start : start + BATCH]]
            labels = torch.tensor([int(row[0]) for row in rows])
            model(**encoded(rows), labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(test), BATCH):
            rows = test[start : start + BATCH]
            found = model(**encoded(rows)).logits.argmax(-1)
            right += int((found == torch.tensor([int(row[0]) for row in rows])).sum())
    return right / len(test)


def with_palm(args: argparse.Namespace, files: Path) -> float:
    """The same with PALM: data in a file, everything else as settings."""
    import palm  # noqa: PLC0415 (as above)

    few = files / "train.first.tsv"
    lines = (files / "train.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    few.write_text("".join(lines[: args.rows + 1]), encoding="utf-8")
    task = {"reader": "match", "paradigm": "match", "train_file": str(few)}
    controller = palm.Controller(
        {
            "tasks": {"paraphrase": task},
            "pretrain_model_path": str(args.encoder),
            "do_lower_case": True,
            "max_seq_len": WIDTH,
            "per_device_train_batch_size": BATCH,
            "num_train_epochs": args.epochs,
            "learning_rate": RATE,
            "weight_decay": DECAY,
            "warmup_ratio": WARMUP,
            "logging_steps": 50,
            "save_path": str(HOME / "output_model"),
        },
        overrides=[],
    )
    controller.train()
    return controller.evaluate("paraphrase", file=files / "test.tsv")["accuracy"]


def kept(name: str) -> bool:
    return name.endswith("bias") or "LayerNorm" in name


def read(file: Path) -> list[list[str]]:
    return [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[1:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of mrpc")
    parser.add_argument("--encoder", type=Path, default=HOME / "../../pretrain/minilm-l6-en")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=4076, help="training rows to use")
    parser.add_argument("--side", choices=("transformers", "palm"), help="run one side only")
    args = parser.parse_args()
    files = HOME / "data"
    if args.side is None:
        prepare("mrpc", args.data, files)
        for side in ("transformers", "palm"):
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--side", side], check=True)
        return
    started = time.perf_counter()
    accuracy = (with_transformers if args.side == "transformers" else with_palm)(args, files)
    seconds = time.perf_counter() - started
    print(json.dumps({"side": args.side, "accuracy": round(accuracy, 4), "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main()
