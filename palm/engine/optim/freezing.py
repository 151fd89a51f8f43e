"""Which parameters of the encoder stay as they are: for the whole run, or until it is their turn.

Gradual unfreezing: ULMFiT, arXiv:1801.06146, section 3.3. What trains is a function of the settings and the step alone,
so a resumed run goes on as it was.
"""

import re

from paddle import nn

from palm.schema.settings import TrainSettings

EMBEDDINGS = "backbone.embeddings."
# Those of the shared encoder, and those that a head with `sharing: soft` has in their place.
_LAYER = re.compile(r"(?:backbone\.encoder\.layers|heads\.[^.]+\.task_adapters\.encoder_layers)\.(\d+)\.")


def layer_of(name: str) -> int | None:
    """Number of the encoder layer that the parameter `name` is of, -1 for the embeddings; None for any other."""
    found = _LAYER.match(name)
    return int(found[1]) if found else -1 if name.startswith(EMBEDDINGS) else None


def freeze(model: nn.Layer, settings: TrainSettings) -> None:
    """Take the gradient away from the parameters that never train, and give it to the other ones of the encoder."""
    for name, parameter in model.named_parameters():
        layer = layer_of(name)
        if layer is not None:
            parameter.stop_gradient = _never_trains(layer, settings)


def unfreeze(model: nn.Layer, settings: TrainSettings, step: int) -> None:
    """Let train what trains in global step `step`, counted from 1; nothing to do without gradual unfreezing."""
    every = settings.unfreeze_every_n_steps
    if every < 1:
        return
    numbers = {name: layer_of(name) for name, _ in model.named_parameters()}
    top = max((number for number in numbers.values() if number is not None), default=-1)
    lowest = top + 1 - (step - 1) // every  # the head alone for the first steps, then one layer more each time
    for name, parameter in model.named_parameters():
        number = numbers[name]
        if number is not None:
            parameter.stop_gradient = number < lowest or _never_trains(number, settings)


def _never_trains(layer: int, settings: TrainSettings) -> bool:
    return settings.freeze_embeddings if layer < 0 else layer < settings.freeze_layers
