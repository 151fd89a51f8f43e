"""Trained models as ONNX graphs, written without Paddle. Importing this package registers the built-in writers."""

from palm.inference.onnx import bert_like, deberta, heads, modernbert
from palm.inference.onnx.writers import ENCODER_WRITERS, HEAD_WRITERS

__all__ = ["ENCODER_WRITERS", "HEAD_WRITERS", "bert_like", "deberta", "heads", "modernbert"]
