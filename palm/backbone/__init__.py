"""Backbones: the encoder that all tasks share. Importing this package registers the built-in ones."""

from palm.backbone.albert import Albert, AlbertConfig
from palm.backbone.base import BACKBONES, Backbone
from palm.backbone.bert import Bert, BertConfig
from palm.backbone.distilbert import DistilBert, DistilBertConfig
from palm.backbone.electra import Electra, ElectraConfig
from palm.backbone.ernie import Ernie, ErnieConfig
from palm.backbone.mpnet import Mpnet, MpnetConfig
from palm.backbone.roberta import Roberta, RobertaConfig

BERT = Bert
"""PALM 2's name of `Bert`."""

ERNIE = Ernie
"""PALM 2's name of `Ernie`."""

__all__ = [
    "BACKBONES",
    "BERT",
    "ERNIE",
    "Albert",
    "AlbertConfig",
    "Backbone",
    "Bert",
    "BertConfig",
    "DistilBert",
    "DistilBertConfig",
    "Electra",
    "ElectraConfig",
    "Ernie",
    "ErnieConfig",
    "Mpnet",
    "MpnetConfig",
    "Roberta",
    "RobertaConfig",
]
