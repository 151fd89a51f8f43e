"""Inference models into a session: one, or those of several tasks, which then share one pass of the encoder."""

from collections.abc import Mapping
from pathlib import Path

import paddle
from paddle import Tensor

from palm.backbone.base import BACKBONES, Backbone
from palm.default_settings import INFERENCE_FOLDER, MANIFEST_FILE
from palm.engine.checkpoint import set_weights
from palm.errors import CheckpointError
from palm.head import RegisteredHead
from palm.inference.bundle import Bundle, load_bundle
from palm.paradigm.base import PARADIGMS
from palm.trainer.session import Session
from palm.trainer.task import Forward, Task


def load_models(session: Session, folder: Path) -> None:
    """Load each task's inference model into the session; it brings sizes, head and labels with it.

    Args:
        session: Gets a model anew.
        folder: A task's inference model, or a folder with one of each task (`<task>`, or `<task>/infer_model`).

    Raises:
        CheckpointError: One is missing or damaged, is of another kind, or their encoders differ.
    """
    bundles = {task.name: load_bundle(_place(task.name, folder)) for task in session.tasks}
    _check_one_encoder(bundles, folder)
    backbone = _backbone_of(next(iter(bundles.values())))
    for task in session.tasks:
        _describe(task, bundles[task.name], backbone, folder)
    session.use_backbone(backbone)
    heads = session.heads
    weights: dict[str, Tensor] = {}
    for name, bundle in bundles.items():
        own = f"heads.{bundle.task.head}."
        for parameter, tensor in bundle.model.state_dict().items():
            weights[parameter.replace(own, f"heads.{heads[name]}.", 1)] = tensor
    set_weights(session.model.state_dict(), weights, where=str(folder))


def _place(name: str, folder: Path) -> Path:
    places = (folder, folder / name, folder / name / INFERENCE_FOLDER)
    return next((place for place in places if (place / MANIFEST_FILE).is_file()), folder)


def _backbone_of(bundle: Bundle) -> Backbone:
    sizes = bundle.model.sizes
    kind = next(BACKBONES[name] for name in BACKBONES if BACKBONES[name].Config is type(sizes))
    return kind(sizes)


def _describe(task: Task, bundle: Bundle, backbone: Backbone, folder: Path) -> None:
    """What the model says of its task, where the trainer was not told."""
    paradigm = bundle.task.paradigm
    name = next(name for name in PARADIGMS if PARADIGMS[name] is type(paradigm))
    given = task.predict_forward or task.forward
    if given is not None and given.head.name != name:
        found = f"Found one of paradigm `{name}` for a head of paradigm `{given.head.name}`."
        raise CheckpointError(f"{folder}: a model predicts as it was trained. {found} Use the right model.")
    head = given.head if given else RegisteredHead(name, **paradigm.config.model_dump())
    task.forward, task.predict_forward = None, Forward(backbone, head)
    task.loaded_labels = bundle.task.reader.labels
    task.fingerprint = bundle.task.reader.tokenizer.fingerprint


def _check_one_encoder(bundles: Mapping[str, Bundle], folder: Path) -> None:
    first, *others = bundles.items()
    for name, bundle in others:
        wanted, found = first[1].model.backbone.state_dict(), bundle.model.backbone.state_dict()
        same = wanted.keys() == found.keys() and all(_equal(wanted[key], found[key]) for key in wanted)
        if not same or first[1].model.sizes != bundle.model.sizes:
            rule = "tasks that predict together share one encoder, bit for bit."
            advice = "Use models that were saved at the same step (set_saver(…, save_type='predict'))."
            raise CheckpointError(f"{folder}: {rule} Those of `{first[0]}` and `{name}` differ. {advice}")


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool(paddle.equal_all(one, other))
