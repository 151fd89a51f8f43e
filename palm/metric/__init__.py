"""Metrics of predictions and gold records, without Paddle."""

from palm.metric.attachment import las
from palm.metric.base import LOSS, METRICS, Metric, lower_is_better, main_metric
from palm.metric.classification import (
    accuracy,
    label_set_f1,
    macro_f1,
    mlm_accuracy,
    sentence_accuracy,
)
from palm.metric.nested_span_f1 import nested_span_f1, relation_f1
from palm.metric.ranking import mean_reciprocal_rank, normalised_discounted_gain
from palm.metric.regression import pearson, spearman
from palm.metric.span_f1 import span_f1, token_accuracy
from palm.metric.squad import squad, squad_zh
from palm.metric.written_text import bleu, chrf, exact_match, rouge1, rouge2, rouge_l, teacher_forcing

__all__ = [
    "LOSS",
    "METRICS",
    "Metric",
    "accuracy",
    "bleu",
    "chrf",
    "exact_match",
    "label_set_f1",
    "las",
    "lower_is_better",
    "macro_f1",
    "main_metric",
    "mean_reciprocal_rank",
    "mlm_accuracy",
    "nested_span_f1",
    "normalised_discounted_gain",
    "pearson",
    "relation_f1",
    "rouge1",
    "rouge2",
    "rouge_l",
    "sentence_accuracy",
    "span_f1",
    "spearman",
    "squad",
    "squad_zh",
    "teacher_forcing",
    "token_accuracy",
]
