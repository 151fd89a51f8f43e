"""Metrics: figures from predictions and gold records, free of Paddle."""

from palm.metric.accuracy import accuracy, sentence_accuracy
from palm.metric.base import METRICS, Metric
from palm.metric.f1 import macro_f1
from palm.metric.mlm import mlm_accuracy
from palm.metric.span_f1 import span_f1
from palm.metric.squad import squad, squad_zh

__all__ = [
    "METRICS",
    "Metric",
    "accuracy",
    "macro_f1",
    "mlm_accuracy",
    "sentence_accuracy",
    "span_f1",
    "squad",
    "squad_zh",
]
