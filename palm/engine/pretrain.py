"""Loads pre-trained weights into a multi-task model: the backbone, and heads with pre-trained weights."""

from collections.abc import Iterator, Sequence

from palm.engine.model import HasHead, MultiTaskModel
from palm.pretrained.load import LoadReport, PretrainedWeights, apply_pretrained
from palm.schema.fields import BackboneFields

_LISTED = 8


def backbone_config_for(weights: PretrainedWeights, backbone_config: BackboneFields) -> BackboneFields:
    """`backbone_config` with the keys that the weights require (such as layer-norm epsilon), unless configured."""
    asked = {key: value for key, value in weights.config.items() if key not in backbone_config.model_fields_set}
    return backbone_config.model_copy(update=asked)


def load_pretrained_weights(model: MultiTaskModel, tasks: Sequence[HasHead], weights: PretrainedWeights) -> list[str]:
    """Copy `weights` into `model`; return lines about loaded, missing and unexpected parameters.

    Raises:
        CheckpointError: No name matches, or a shape differs.
    """
    report = apply_pretrained(model.backbone, weights)
    model.start_copies()
    lines = [f"Pre-trained weights from {weights.source}: {len(report.loaded)} parameters loaded."]
    lines += _differences(report)
    for head, prefix in {task.head: task.paradigm.pretrained_head for task in tasks}.items():
        if prefix is not None and any(name.startswith(prefix) for name in weights.tensors):
            report = apply_pretrained(model.heads[head], weights, prefix)
            lines.append(f"  head {head}: {len(report.loaded)} parameters loaded.")
    return lines


def _differences(report: LoadReport) -> Iterator[str]:
    for kind, names in (("missing, newly initialized", report.missing), ("unexpected, ignored", report.unexpected)):
        if names:
            shown = ", ".join(sorted(names)[:_LISTED]) + (" …" if len(names) > _LISTED else "")
            yield f"  {len(names)} {kind}: {shown}"
