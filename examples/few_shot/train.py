"""Few-shot classification with prompts: train, evaluate, predict and export, with PaddleNLP's arguments.

python train.py --data_dir ./data/tnews --output_dir ./checkpoints/ --prompt "这条新闻标题的主题是" --do_train --do_eval
python train.py --data_dir ./data/tnews --output_dir ./predict_ckpt --resume_from_checkpoint ./checkpoints --do_predict
"""

import argparse
import contextlib
import sys
import time
from pathlib import Path

from arguments import (
    OF_TRAINING,
    PATIENCE,
    TASK,
    WITHOUT_EFFECT,
    TrainingSize,
    count_lines,
    parse,
    prediction_configuration,
    training_configuration,
    world_size,
)
from progress import (
    MODEL,
    CheckpointFolders,
    PalmLines,
    TrainingLog,
    checkpoints,
    describe_model,
    is_first,
    log,
    log_metrics,
    speed,
    start_log,
    write_json,
)

from palm import Controller
from palm.cli.export_rows import rows_of
from palm.distributed.ranks import current_ranks
from palm.errors import ConfigError
from palm.inference.export.export_model import ExportRequest, export_model


def main() -> None:
    args = parse(sys.argv[1:])
    start_log()
    log_arguments(args)
    model = None
    if args.do_train:
        model = train(args)
    if args.do_eval and (model is None or args.evaluation_strategy == "no"):
        evaluate(args, model or find_model(args), "eval", Path(args.data_dir) / "dev.txt")
    if args.do_predict:
        predict(args, model or find_model(args))
    if args.do_export:
        export(args, model or find_model(args))


def log_arguments(args: argparse.Namespace) -> None:
    """Log all arguments, and which of those that are given do nothing."""
    values = {name: value for name, value in vars(args).items() if name != "given"}
    values |= {"train_batch_size": args.per_device_train_batch_size, "eval_batch_size": args.per_device_eval_batch_size}
    values |= {"world_size": world_size(), "process_index": 0 if is_first() else None}
    log.info("=" * 60)
    log.info("%40s", "Configuration Arguments")
    for name in sorted(values):
        log.info("%-30s:%s", name, values[name])
    for name in sorted(args.given & WITHOUT_EFFECT.keys()):
        log.info("--%s is accepted and has no effect: %s.", name, WITHOUT_EFFECT[name])
    kept = sorted(args.given & set(OF_TRAINING)) if not args.do_train else []
    if kept:
        log.info("Without --do_train the model says what these arguments would: --%s.", ", --".join(kept))
    if args.load_best_model_at_end and args.do_train:
        log.info("Training ends early after %d evaluations without a better %s.", PATIENCE, args.metric_for_best_model)


def train(args: argparse.Namespace) -> Path:
    """Train, with checkpoints and evaluations on the way; return the final model."""
    home, data = Path(args.output_dir), Path(args.data_dir)
    check_resume(args)
    size = TrainingSize(args, count_lines(data / "train.txt"))
    progress = TrainingLog(args, size, count_lines(data / "dev.txt") if args.evaluation_strategy != "no" else 0)
    folders = CheckpointFolders(args, progress)
    with contextlib.redirect_stdout(PalmLines(folders)) if is_first() else contextlib.nullcontext():
        controller = Controller(training_configuration(args, size), overrides=[])
        if is_first() and not args.resume_from_checkpoint:
            folders.clear()
        log_size(args, size)
        start = time.perf_counter()
        controller.train(on_record=progress)
    if is_first():
        finish_training(args, size, progress, time.perf_counter() - start)
    return home / TASK / MODEL


def check_resume(args: argparse.Namespace) -> None:
    """End if training cannot continue from --resume_from_checkpoint."""
    if not args.resume_from_checkpoint:
        return
    given, home = Path(args.resume_from_checkpoint).resolve(), Path(args.output_dir).resolve()
    if given != home and given.parent != home:
        rule = "training continues in its own folder, from the newest state in it"
        raise SystemExit(
            f"--resume_from_checkpoint: {rule}. Found --output_dir {args.output_dir}. Give the same folder."
        )
    newest = checkpoints(home)[-1:]
    if given != home and [given] != newest:
        log.info("Training continues from the newest state in %s, not from %s.", home, given.name)


def log_size(args: argparse.Namespace, size: TrainingSize) -> None:
    log.info("***** Running training *****")
    log.info("  Num examples = %d", size.examples)
    log.info("  Num Epochs = %d", size.epochs)
    log.info("  Instantaneous batch size per device = %d", args.per_device_train_batch_size)
    log.info("  Total train batch size (w. parallel, distributed & accumulation) = %d", size.batch_size)
    log.info("  Gradient Accumulation steps = %d", args.gradient_accumulation_steps)
    log.info("  Total optimization steps = %d", size.updates)
    log.info("  Total num train samples = %d", size.updates * size.batch_size)


def finish_training(args: argparse.Namespace, size: TrainingSize, progress: TrainingLog, seconds: float) -> None:
    """Write what is beside the final models, and the metrics of training."""
    home = Path(args.output_dir)
    log.info("Saving model checkpoint to %s", args.output_dir)
    for model in (home / TASK / MODEL, home / MODEL):
        describe_model(model)
    losses = [float(str(entry["loss"])) for entry in progress.history if "loss" in entry]
    metrics = {
        "epoch": progress.epoch(progress.step),
        **({"train_loss": sum(losses) / len(losses)} if losses else {}),  # the mean of the logged steps
        "train_runtime": round(seconds, 4),
        "train_samples_per_second": round((progress.step - progress.first) * size.batch_size / seconds, 3),
        "train_steps_per_second": round((progress.step - progress.first) / seconds, 3),
    }
    log_metrics("train", metrics, home)
    write_json(home / "trainer_state.json", progress.state())


def find_model(args: argparse.Namespace) -> Path:
    """The model of --resume_from_checkpoint, which is an output_dir or a checkpoint-N; by default of --output_dir."""
    home = Path(args.resume_from_checkpoint or args.output_dir)
    for place in (home, home / TASK / MODEL, *reversed(checkpoints(home))):
        if (place / "manifest.json").is_file() and (place / "config.json").is_file():
            if place.name.startswith("checkpoint-") and place != home:
                log.info("The training in %s has not ended: its newest checkpoint is taken, %s.", home, place.name)
            return place
    rule = "an output_dir of a training, or a checkpoint-N in it, is expected"
    raise SystemExit(f"--resume_from_checkpoint: {rule}. Found no model in {home}. Train first, or correct the folder.")


def predict(args: argparse.Namespace, model: Path) -> None:
    """Metrics of test.txt if its lines have labels; else its labels, in test_predictions.jsonl."""
    file = Path(args.data_dir) / "test.txt"
    lines = count_lines(file)
    with file.open(encoding="utf-8-sig") as stream:
        labelled = sum(1 for line in stream if line.strip() and "\t" in line.strip("\r\n"))
    if labelled == lines:
        evaluate(args, model, "test", file)
        return
    if labelled:
        log.info("%d of %d lines of %s have no label: it is predicted, without metrics.", lines - labelled, lines, file)
    log_prediction(args, "Prediction", lines)
    output = Path(args.output_dir) / "test_predictions.jsonl"
    controller = Controller(prediction_configuration(args, model, file, output), for_train=False, overrides=[])
    with contextlib.redirect_stdout(None):
        controller.pred(TASK)
    log.info("Predictions of %d texts saved in %s", lines, output.as_posix())


def evaluate(args: argparse.Namespace, model: Path, split: str, file: Path) -> None:
    """Log the metrics of a file with labels."""
    lines = count_lines(file)
    log_prediction(args, "Prediction" if split == "test" else "Evaluation", lines)
    output = Path(args.output_dir)
    controller = Controller(prediction_configuration(args, model, file, output), for_train=False, overrides=[])
    start = time.perf_counter()
    found = controller.evaluate(TASK, file=file)
    metrics = {f"{split}_{name}": value for name, value in found.items()}
    log_metrics(split, metrics | speed(split, time.perf_counter() - start, lines, args), output)


def log_prediction(args: argparse.Namespace, what: str, lines: int) -> None:
    batch = args.per_device_eval_batch_size
    log.info("***** Running %s *****", what)
    log.info("  Num examples = %d", lines)
    log.info("  Pre device batch size = %d", batch)
    log.info("  Total Batch size = %d", batch * world_size())
    log.info("  Total prediction steps = %d", -(-lines // (batch * world_size())))


def export(args: argparse.Namespace, model: Path) -> None:
    """Write output_dir/export, from the first process while the others wait."""
    current_ranks().on_first(lambda: write_exports(args, model))


def write_exports(args: argparse.Namespace, model: Path) -> None:
    """ONNX as export/model.onnx, or Paddle's format as export/model.json with ONNX in export/onnx for infer.py."""
    target = Path(args.output_dir) / "export"
    write_export(args, model, target, args.export_type)
    if args.export_type == "paddle":
        try:
            write_export(args, model, target / "onnx", "onnx")
        except ConfigError as error:
            log.info("No ONNX graph for infer.py beside it: %s", error)


def write_export(args: argparse.Namespace, model: Path, target: Path, kind: str) -> None:
    """Write one format, compared with PALM on the first data file that is there."""
    files = [Path(args.data_dir) / f"{name}.txt" for name in ("dev", "test", "data")]
    rows = [f"{TASK}={file}" for file in files if file.is_file()][:1]
    request = ExportRequest(model, target, kind, program="model")
    done = export_model(request, lambda tasks: rows_of(model, tasks, [], rows), log.info)
    describe_model(target)
    log.info("Exported %s: %s", kind, ", ".join((target / name).as_posix() for name in done.file_bytes))


if __name__ == "__main__":
    main()
