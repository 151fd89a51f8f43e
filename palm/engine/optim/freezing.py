"""Freezing of encoder parameters: all of them or the lowest layers for the whole run, or until they are unfrozen.

Gradual unfreezing: ULMFiT, arXiv:1801.06146, section 3.3. The trained parameters only depend on the settings and
the step, so that resume is exact.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from paddle import nn

from palm.schema.settings import TrainSettings

ENCODER = "backbone."
EMBEDDINGS = "backbone.embeddings."
# Those of the shared encoder (`groups`: each computes several), and those that replace them with `sharing: soft`.
_LAYER = re.compile(r"(?:backbone\.encoder\.(?:layers|groups)|heads\.[^.]+\.task_adapters\.encoder_layers)\.(\d+)\.")


def layer_of(name: str) -> int | None:
    """Index of the encoder layer of the parameter `name`, -1 for the embeddings; None for others."""
    found = _LAYER.match(name)
    return int(found[1]) if found else -1 if name.startswith(EMBEDDINGS) else None


def freeze(
    model: nn.Layer,
    settings: TrainSettings,
    *,
    encoder: bool = False,
    heads: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> None:
    """Disable gradients of the parameters that never train, and enable those of the encoder's other parameters.

    Args:
        model: Backbone and heads.
        settings: The keys of freezing.
        encoder: Whether the shared encoder does not train at all, pooler included.
        heads: Heads of which only parameters with certain prefixes train, such as `soft_prompt.`; by key.
    """
    only = {f"heads.{head}.": tuple(f"heads.{head}.{each}" for each in trained) for head, trained in heads.items()}
    for name, parameter in model.named_parameters():
        layer = layer_of(name)
        if encoder and name.startswith(ENCODER):
            parameter.stop_gradient = True
        elif name.startswith(tuple(only)):
            parameter.stop_gradient = not name.startswith(tuple(each for trained in only.values() for each in trained))
        elif layer is not None:
            parameter.stop_gradient = _never_trains(layer, settings)


@contextmanager
def encoder_kept(model: nn.Layer, *, kept: bool) -> Iterator[None]:
    """If `kept`, losses inside the `with` block have no gradient of the encoder, but gradients go through it."""
    encoder = model.backbone.parameters() if kept else []
    trained = [parameter for parameter in encoder if not parameter.stop_gradient]
    try:
        for parameter in trained:
            parameter.stop_gradient = True
        yield
    finally:
        for parameter in trained:
            parameter.stop_gradient = False


def unfreeze(model: nn.Layer, settings: TrainSettings, step: int) -> None:
    """Enable the parameters that train in global step `step`, counted from 1; no effect without gradual unfreezing."""
    every = settings.unfreeze_every_n_steps
    if every < 1:
        return
    numbers = {name: layer_of(name) for name, _ in model.named_parameters()}
    top = max((number for number in numbers.values() if number is not None), default=-1)
    lowest = top + 1 - (step - 1) // every  # only the heads for the first steps, then one more layer each time
    for name, parameter in model.named_parameters():
        number = numbers[name]
        if number is not None:
            parameter.stop_gradient = number < lowest or _never_trains(number, settings)


def _never_trains(layer: int, settings: TrainSettings) -> bool:
    return settings.freeze_embeddings if layer < 0 else layer < settings.freeze_layers
