"""Pre-trained weights into a multi-task model: the backbone's, and the masked-language-model head's where there is one."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from palm.backbone.pretrained import LoadReport, apply_pretrained, load_pretrained
from palm.engine.model import MultiTaskModel
from palm.task_instance import TaskInstance

_LISTED = 8


def load_pretrained_weights(model: MultiTaskModel, tasks: Sequence[TaskInstance], path: Path) -> list[str]:
    """Copy what `path` holds into `model`; return lines that say what was loaded, missing and unexpected.

    Raises:
        CheckpointError: Nothing matched, a shape differs, or the file cannot be read safely.
    """
    weights = load_pretrained(path)
    report = apply_pretrained(model.backbone, weights)
    lines = [f"Pre-trained weights from {weights.source}: {len(report.loaded)} parameters loaded."]
    return [*lines, *_differences(report)]


def _differences(report: LoadReport) -> Iterator[str]:
    for kind, names in (("missing, freshly drawn", report.missing), ("unexpected, left out", report.unexpected)):
        if names:
            shown = ", ".join(sorted(names)[:_LISTED]) + (" …" if len(names) > _LISTED else "")
            yield f"  {len(names)} {kind}: {shown}"
