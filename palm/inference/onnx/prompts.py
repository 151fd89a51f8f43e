"""The head of prompts: what `palm.paradigm.verbalizers` computes in prediction."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import cast

import numpy as np

from palm.data.prompt_form import PromptForm
from palm.inference.onnx.graph import Array
from palm.inference.onnx.heads import token_scores, transformed
from palm.inference.onnx.operations import linear
from palm.inference.onnx.writers import HEAD_WRITERS, HeadInputs, HeadOutput
from palm.paradigm.prompt import Prompt, PromptFields

# All heads of a graph may be computed for the batch of any task, with any number of masks and options, or a single 0.
_MASKS = ("masked_batch", "prompt_mask")
_CANDIDATES = ("row", "candidate")


@HEAD_WRITERS.register(Prompt)
def prompt_labels(head: HeadInputs) -> Mapping[str, HeadOutput]:
    """Logits of a text's labels."""
    config, form = cast("PromptFields", head.paradigm.config), head.paradigm.prompt or PromptForm()
    if config.verbalizer == "none":
        return {"logits": HeadOutput(_option_scores(head), _CANDIDATES)}
    features = transformed(head, _at_masks(head, form))  # [batch mask emb]
    if config.verbalizer == "soft":
        mean = head.graph.op("ReduceMean", features, axes=(1,), keepdims=0)
        logits = linear(head.graph, mean, head.name("label_layer"))
    elif config.verbalizer == "masked":
        logits = _masked_scores(head, features, form)
    else:
        logits = _over_masks(head, _manual_scores(head, features, config, form), config.mask_aggregate_type)
    return {"logits": HeadOutput(logits, ("batch", len(head.paradigm.labels or ())))}


def _at_masks(head: HeadInputs, form: PromptForm) -> str:
    """The encoder's vectors at the masks: [batch mask hidden]."""
    graph = head.graph
    given = head.field("mask_positions", _MASKS)
    if form.masks > 1:  # the batch of another task may have fewer
        last = graph.op("Gather", given, graph.ints([-1]), axis=1)
        given = graph.op("Concat", given, *[last] * (form.masks - 1), axis=1)
    places = graph.op("Slice", given, graph.ints([0]), graph.ints([form.masks]), graph.ints([1]))  # [batch mask]
    rows, width = (graph.op("Gather", graph.op("Shape", value), graph.ints(axis), axis=0)
                   for value, axis in ((places, 0), (head.encoded, 1)))  # fmt: skip
    first = graph.op("Mul", graph.op("Range", graph.ints(0), rows, graph.ints(1)), width)  # [batch]
    places = graph.op("Add", places, graph.op("Unsqueeze", first, graph.ints([1])))
    flat = graph.op("Reshape", head.encoded, graph.ints([-1, head.backbone.hidden_size]))  # [batch*seq hidden]
    return graph.op("Gather", flat, places, axis=0)


def _option_scores(head: HeadInputs) -> str:
    graph = head.graph
    both = linear(graph, head.sentence, head.name("label_layer"))  # [row 2]
    odds = graph.op("Sub", *(graph.op("Gather", both, graph.ints(number), axis=1) for number in (1, 0)))
    return graph.op("Gather", odds, head.field("choice_rows", _CANDIDATES))


def _masked_scores(head: HeadInputs, features: str, form: PromptForm) -> str:
    graph = head.graph
    tokens = np.array([words[0] for words in form.label_words], "int64")  # [label mask]
    total = ""
    for mask in range(form.masks):
        at_mask = graph.op("Gather", features, graph.ints(mask), axis=1)  # [batch emb]
        log_probs = graph.op("LogSoftmax", token_scores(head, at_mask), axis=-1)  # [batch vocab]
        own = graph.op("Gather", log_probs, graph.ints(tokens[:, mask].tolist()), axis=1)  # [batch label]
        total = graph.op("Add", total, own) if total else own
    return total


def _manual_scores(head: HeadInputs, features: str, config: PromptFields, form: PromptForm) -> str:
    """What the words of each label score at each mask: [batch mask label]."""
    graph = head.graph
    words = list(chain.from_iterable(form.label_words))
    tokens = np.array(list(chain.from_iterable(words)), "int64")
    table = head.encoder.word_table
    columns = graph.derived(f"{head.name('label_tokens')}.weight", lambda: graph.array(table)[tokens].T)
    scores = graph.op("MatMul", features, columns)  # [batch mask token]
    if head.backbone.mlm_head().decoder_bias:
        bias = graph.derived(f"{head.name('label_tokens')}.bias", lambda: graph.array(head.name("bias"))[tokens])
        scores = graph.op("Add", scores, bias)
    of_words = _aggregated(head, scores, [len(word) for word in words], config.token_aggregate_type)
    if config.label_kind == "class":
        of_words = graph.op("LogSoftmax", of_words, axis=-1)
    return _aggregated(head, of_words, [len(of_label) for of_label in form.label_words], config.word_aggregate_type)


def _aggregated(head: HeadInputs, scores: str, counts: Sequence[int], kind: str) -> str:
    """One column for each group of neighbouring columns: [batch mask column] → [batch mask group]."""
    graph, starts = head.graph, [0, *np.cumsum(counts)[:-1].tolist()]
    if all(count == 1 for count in counts):
        return scores
    if kind == "first":
        return graph.op("Gather", scores, graph.ints(starts), axis=2)

    def weights() -> Array:
        table = np.zeros((sum(counts), len(counts)), "float32")
        for group, (start, count) in enumerate(zip(starts, counts, strict=True)):
            table[start : start + count, group] = 1 / count
        return table

    if kind == "mean":
        name = f"{head.name('weights')}.{'-'.join(map(str, counts))}"
        return graph.op("MatMul", scores, graph.derived(name, weights))
    longest = max(counts)
    places = [start + (step if step < count else 0) for start, count in zip(starts, counts, strict=True)
              for step in range(longest)]  # fmt: skip
    columns = graph.op("Gather", scores, graph.ints(places), axis=2)
    by_group = graph.op("Reshape", columns, graph.ints([0, 0, len(counts), longest]))
    return graph.op("ReduceMax", by_group, axes=(3,), keepdims=0)


def _over_masks(head: HeadInputs, scores: str, kind: str) -> str:
    """[batch mask label] → [batch label]."""
    graph = head.graph
    if kind == "first":
        return graph.op("Gather", scores, graph.ints(0), axis=1)
    if kind == "product":
        return graph.op("ReduceSum", scores, graph.ints([1]), keepdims=0)
    return graph.op("ReduceMean" if kind == "mean" else "ReduceMax", scores, axes=(1,), keepdims=0)
