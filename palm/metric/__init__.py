"""Metrics: figures from predictions and gold records, free of Paddle."""

from palm.metric.accuracy import accuracy, sentence_accuracy
from palm.metric.base import LOSS, METRICS, Metric, main_metric
from palm.metric.f1 import macro_f1
from palm.metric.label_sets import label_set_f1
from palm.metric.mlm import mlm_accuracy
from palm.metric.ranking import mean_reciprocal_rank
from palm.metric.regression import pearson, spearman
from palm.metric.span_f1 import span_f1
from palm.metric.squad import squad, squad_zh

__all__ = [
    "LOSS",
    "METRICS",
    "Metric",
    "accuracy",
    "label_set_f1",
    "macro_f1",
    "main_metric",
    "mean_reciprocal_rank",
    "mlm_accuracy",
    "pearson",
    "sentence_accuracy",
    "span_f1",
    "spearman",
    "squad",
    "squad_zh",
]
