"""Loads pre-trained weights into a multi-task model: the backbone, and heads with pre-trained weights."""

from collections.abc import Iterator, Sequence

from palm.engine.model import HasHead, MultiTaskModel
from palm.errors import CheckpointError
from palm.paradigm.base import Paradigm
from palm.pretrained.load import NOT_NEEDED, LoadReport, PretrainedWeights, apply_pretrained
from palm.schema.fields import BackboneFields

_LISTED = 8


def backbone_config_for(weights: PretrainedWeights, backbone_config: BackboneFields) -> BackboneFields:
    """`backbone_config` with keys that the weights require (such as the layer-norm epsilon), unless configured."""
    asked = {key: value for key, value in weights.config.items() if key not in backbone_config.model_fields_set}
    return backbone_config.model_copy(update=asked)


def load_pretrained_weights(model: MultiTaskModel, tasks: Sequence[HasHead], weights: PretrainedWeights) -> list[str]:
    """Copy `weights` into `model`; return lines about loaded, missing and unexpected parameters.

    Raises:
        CheckpointError: No name matches, a shape differs, or a part of the encoder other than its pooler is missing.
    """
    _refuse_incomplete(model, weights)
    report = apply_pretrained(model.backbone, weights)
    model.start_from_encoder()
    lines = [f"Pre-trained weights from {weights.source}: {len(report.loaded)} parameters loaded."]
    return [*lines, *_differences(report), *load_pretrained_heads(model, tasks, weights)]


def load_pretrained_heads(model: MultiTaskModel, tasks: Sequence[HasHead], weights: PretrainedWeights) -> list[str]:
    """Copy the head in `weights` into the heads of that kind; return lines about it."""
    heads = {task.head: task.paradigm for task in tasks if task.paradigm.pretrained_head is not None}
    return [line for head, paradigm in heads.items() for line in _load_head(model, head, paradigm, weights)]


def _load_head(model: MultiTaskModel, head: str, paradigm: Paradigm, weights: PretrainedWeights) -> Iterator[str]:
    prefix, added = paradigm.pretrained_head or "", model.added_parameters(head)
    if len(added) == len(list(model.heads[head].parameters())):  # the head has no part of a pre-trained one
        return
    if not any(name.startswith(prefix) for name in weights.tensors):
        warned = "Warning:" if paradigm.new_head_advice else " "
        yield f"{warned} head {head}: newly initialized, since the weights have none.{paradigm.new_head_advice}"
        return
    report = apply_pretrained(model.heads[head], weights, prefix)
    yield f"  head {head}: {len(report.loaded)} parameters loaded."
    missing = [name for name in report.missing if name not in added]
    if missing:
        yield f"  head {head}: missing, newly initialized: {', '.join(missing)}"


def _refuse_incomplete(model: MultiTaskModel, weights: PretrainedWeights) -> None:
    """Refuse weights of a part of the encoder: the rest would be random.

    A pooler is newly initialized where there is none; task embeddings become zero. What a user's backbone needs is
    not known.
    """
    encoder = [name for name in model.backbone_shapes if not name.startswith(NOT_NEEDED)]
    missing = [name for name in encoder if name not in weights.tensors]
    if missing and len(missing) < len(encoder):
        rule = "pre-trained weights hold the embeddings and every layer of the encoder."
        found = f"Found no `{missing[0]}`" + (f" and {len(missing) - 1} others" if len(missing) > 1 else "")
        advice = "Use another copy, or the config.json of these weights."
        raise CheckpointError(f"{weights.source}: {rule} {found}. {advice}")


def _differences(report: LoadReport) -> Iterator[str]:
    for kind, names in (("missing, newly initialized", report.missing), ("unexpected, ignored", report.unexpected)):
        if names:
            shown = ", ".join(sorted(names)[:_LISTED]) + (" …" if len(names) > _LISTED else "")
            yield f"  {len(names)} {kind}: {shown}"
