"""Inference models into a session: one, or those of several tasks, which then share one pass of the encoder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import paddle
from paddle import Tensor

from palm.api.heads import RegisteredHead
from palm.api.saver import find_models
from palm.api.session import Session
from palm.api.task import Forward, Task
from palm.backbone.base import BACKBONES, Backbone
from palm.engine.checkpoint import set_weights
from palm.engine.model import own_layer_name
from palm.engine.optim.freezing import layer_of
from palm.errors import CheckpointError
from palm.inference.bundle import Bundle, load_bundle
from palm.paradigm.base import PARADIGMS
from palm.pretrained.find import find_weights
from palm.storage.layout import INFERENCE_FOLDER, MANIFEST_FILE
from palm.training.log import say


def load_models(session: Session, path: Path) -> None:
    """Load each task's inference model into the session; it brings sizes, head and labels with it.

    PALM 2 also took weights of an encoder alone here. Those are loaded, with a warning that the heads are untrained.

    Args:
        session: Gets a model anew.
        path: A task's inference model, a folder with one of each task (`<task>`, or `<task>/infer_model`), or weights
            of an encoder.

    Raises:
        CheckpointError: One is missing or damaged, is of another kind, or their encoders differ, except those of
            `sharing: soft`.
    """
    folder = find_models(path)
    if _holds_an_encoder(folder, session.tasks):
        session.load_pretrain(folder)
        heads_of = ", ".join(f"`{task.name}`" for task in session.tasks)
        rule = f"{folder} holds an encoder without a head, so predictions of {heads_of} are those of an untrained head."
        say(f"Warning: {rule} Load what set_saver(…, save_type='predict') wrote.")
        return
    bundles = {task.name: load_bundle(_place(task.name, folder)) for task in session.tasks}
    own_layers = _layers_not_shared(bundles, folder)
    backbone = _backbone_of(next(iter(bundles.values())))
    for task in session.tasks:
        _describe(task, bundles[task.name], backbone, folder, own_layers)
    session.use_backbone(backbone)
    heads = session.heads
    weights: dict[str, Tensor] = {}
    first = backbone.config.num_hidden_layers - own_layers
    for name, bundle in bundles.items():
        own, head = f"heads.{bundle.task.head}.", f"heads.{heads[name]}."
        for parameter, tensor in bundle.model.state_dict().items():
            weights.setdefault(parameter.replace(own, head, 1), tensor)
            number = layer_of(parameter)
            if own_layers and number is not None and number >= first:
                weights[own_layer_name(heads[name], parameter)] = tensor
    set_weights(session.model.state_dict(), weights, where=str(folder))
    trained_in = {bundle.model.amp for bundle in bundles.values()}
    session.model.amp = "bf16" if trained_in == {"bf16"} else "off"


def _holds_an_encoder(folder: Path, tasks: Sequence[Task]) -> bool:
    if any((_place(task.name, folder) / MANIFEST_FILE).is_file() for task in tasks):
        return False
    try:
        return bool(find_weights(folder))
    except CheckpointError:
        return False


def _place(name: str, folder: Path) -> Path:
    places = (folder, folder / name, folder / name / INFERENCE_FOLDER)
    return next((place for place in places if (place / MANIFEST_FILE).is_file()), folder)


def _backbone_of(bundle: Bundle) -> Backbone:
    backbone_config = bundle.model.backbone_config
    kind = next(BACKBONES[name] for name in BACKBONES if BACKBONES[name].Config is type(backbone_config))
    return kind(backbone_config)


def _describe(task: Task, bundle: Bundle, backbone: Backbone, folder: Path, own_layers: int) -> None:
    """What the model says of its task, where the trainer was not told."""
    paradigm = bundle.task.paradigm
    name = PARADIGMS.name_of(paradigm)
    given = task.predict_forward or task.forward
    if given is not None and given.head.name != name:
        found = f"Found one of paradigm `{name}` for a head of paradigm `{given.head.name}`."
        raise CheckpointError(f"{folder}: a model predicts as it was trained. {found} Use the right model.")
    keys = paradigm.config.model_dump() if given is None else given.head.config.model_dump()
    if own_layers:
        keys |= {"sharing": "soft", "sharing_layers": own_layers}
    head = given.head if given and not own_layers else RegisteredHead(name, **keys)
    task.forward, task.predict_forward = None, Forward(backbone, head)
    task.loaded_labels, task.temperature = bundle.task.reader.labels, paradigm.temperature
    task.fingerprint = bundle.task.reader.tokenizer.fingerprint


def _layers_not_shared(bundles: Mapping[str, Bundle], folder: Path) -> int:
    """How many layers, from the last, the models do not share (`sharing: soft`); 0 where they share all."""
    first, *others = bundles.items()
    lowest = depth = first[1].model.backbone_config.num_hidden_layers
    for name, bundle in others:
        wanted, found = first[1].model.backbone.state_dict(), bundle.model.backbone.state_dict()
        same_form = wanted.keys() == found.keys() and first[1].model.backbone_config == bundle.model.backbone_config
        apart = [layer_of(f"backbone.{key}") for key in wanted if not same_form or not _equal(wanted[key], found[key])]
        layers = [number for number in apart if number is not None and number >= 0]
        hard = all(each.task.paradigm.config.sharing == "hard" for each in bundles.values())
        if len(layers) < len(apart) or (apart and not (same_form and hard)):
            rule = "tasks that predict together share one encoder, bit for bit, or with `sharing: soft` its embeddings."
            advice = "Use models that were saved at the same step (set_saver(…, save_type='predict'))."
            raise CheckpointError(f"{folder}: {rule} Those of `{first[0]}` and `{name}` differ. {advice}")
        lowest = min([lowest, *layers])
    return depth - lowest


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool(paddle.equal_all(one, other))
