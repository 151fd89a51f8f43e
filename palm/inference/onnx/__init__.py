"""Trained models as ONNX graphs, written without Paddle. Importing this package registers the built-in writers."""

from palm.inference.onnx import heads, prompts, spans, trees
from palm.inference.onnx.bert_like import BertLikeWriter
from palm.inference.onnx.deberta import DebertaWriter
from palm.inference.onnx.modernbert import ModernBertWriter
from palm.inference.onnx.writers import ENCODER_WRITERS, HEAD_WRITERS

__all__ = [
    "ENCODER_WRITERS",
    "HEAD_WRITERS",
    "BertLikeWriter",
    "DebertaWriter",
    "ModernBertWriter",
    "heads",
    "prompts",
    "spans",
    "trees",
]
