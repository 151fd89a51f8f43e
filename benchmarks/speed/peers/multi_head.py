"""A BERT of transformers with one head per task, like typical PyTorch code for several tasks."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel, BertTokenizer
from transformers.models.bert.modeling_bert import BertOnlyMLMHead

from benchmarks.speed.peers.features import Task


class MultiHeadBert(nn.Module):
    """One encoder, and one head per task.

    Args:
        encoder: The BERT.
        tasks: The tasks of the heads.
    """

    def __init__(self, encoder: BertModel, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(encoder.config.hidden_dropout_prob)
        self.kinds = {task.name: task.kind for task in tasks}
        self.heads = nn.ModuleDict({task.name: self._head(task) for task in tasks})

    def forward(self, task: str, labels: Tensor | None = None, **inputs: Tensor) -> Tensor:
        """The loss of a batch of `task`."""
        kind = self.kinds[task]
        places = [inputs.pop(name) for name in ("start_positions", "end_positions") if name in inputs]
        logits = self.logits(task, **inputs)
        if kind == "mrc":
            losses = [functional.cross_entropy(logits[..., side], place) for side, place in enumerate(places)]
            return (losses[0] + losses[1]) / 2
        if labels is None:
            raise ValueError(f"{task}: a batch of kind {kind} has labels.")
        return functional.cross_entropy(logits.flatten(0, -2), labels.flatten())

    def logits(self, task: str, **inputs: Tensor) -> Tensor:
        """[batch class] of texts and pairs; [batch seq class] of the other kinds."""
        kind, encoded = self.kinds[task], self.encoder(**inputs)
        features = encoded.pooler_output if kind in ("cls", "match") else encoded.last_hidden_state
        logits: Tensor = self.heads[task](features if kind == "mlm" else self.dropout(features))
        return logits

    def _head(self, task: Task) -> nn.Module:
        config = self.encoder.config
        if task.kind == "mlm":
            head = BertOnlyMLMHead(config)  # type: ignore[no-untyped-call]
            head.predictions.decoder.weight = self.encoder.embeddings.word_embeddings.weight
            return head
        return nn.Linear(config.hidden_size, 2 if task.kind == "mrc" else task.classes)


def build(settings: Mapping[str, Any], tasks: Sequence[Task]) -> MultiHeadBert:
    """The model, with pre-trained weights if set."""
    torch.manual_seed(settings["seed"])
    if settings["model"]:
        encoder = BertModel.from_pretrained(settings["model"], dtype=torch.float32)
    else:
        encoder = BertModel(BertConfig(**settings["sizes"]))
    return MultiHeadBert(encoder, tasks).train()


def tokenizer_of(settings: Mapping[str, Any]) -> BertTokenizer:
    """The tokenizer of the vocabulary."""
    return BertTokenizer(vocab=settings["vocab"], do_lower_case=True)


def tune(settings: Mapping[str, Any]) -> torch.autocast:
    """Set the precision of products; returns the context of a step."""
    torch.set_float32_matmul_precision(settings["matmul"])
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings["bf16"])
