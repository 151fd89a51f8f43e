"""Names of files and folders that PALM writes, and the versions of PALM and of its formats."""

PALM_VERSION = "1.0.0rc1"

FORMAT_VERSION = 3

RESOLVED_CONFIG = "config.resolved.yaml"
METRICS_FILE = "metrics.jsonl"
FACTS_FILE = "run.json"
LOG_FILE = "log.txt"
CHECKPOINT_FOLDER = "ckpt"
EARLIER_FOLDER = "earlier"
INFERENCE_FOLDER = "infer_model"
BEST_INFERENCE_FOLDER = "best_infer_model"
PREDICT_FOLDER = "predict"
MANIFEST_FILE = "manifest.json"
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
INT8_FILE = "int8.json"
DESCRIPTION_FILE = "export.json"
DEV_ROWS_FILE = "dev_rows.json"
ANALYSIS_FILE = "analysis.json"
PREDICTIONS_FILE = "predictions.json"
COMPARE_FOLDER = "compare"
TRACKERS_FOLDER = "trackers"
OUTCOME_FILE = "outcome.json"
SEARCH_FILE = "tune.json"
ENCODER_FOLDER = "encoder"

PAIR = "~"
"""Stands between the names of two tasks whose gradients are compared, in metrics.jsonl and in messages."""


def int8_file(task: str | None = None) -> str:
    """The file in a model's folder that keeps what int8 costs; of `task` in a model of several tasks."""
    return INT8_FILE if task is None else f"int8.{task}.json"
