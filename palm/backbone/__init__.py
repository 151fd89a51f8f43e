"""Backbones: the encoder that all tasks share. Importing this package registers the built-in ones."""

from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.bert import Bert, BertConfig
from palm.backbone.deberta import Deberta
from palm.backbone.deberta_config import DebertaConfig
from palm.backbone.ernie import Ernie, ErnieConfig
from palm.backbone.modernbert import ModernBert
from palm.backbone.modernbert_config import ModernBertConfig

BERT = Bert
"""PALM 2's name of `Bert`."""

ERNIE = Ernie
"""PALM 2's name of `Ernie`."""

__all__ = [
    "BACKBONES",
    "BERT",
    "ERNIE",
    "Backbone",
    "Bert",
    "BertConfig",
    "Deberta",
    "DebertaConfig",
    "Ernie",
    "ErnieConfig",
    "ModernBert",
    "ModernBertConfig",
]
