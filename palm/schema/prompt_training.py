"""Keys of paradigms with prompt parameters: what of the model trains with them, and how.

Prompt parameters are those that a prompt adds to a pre-trained model: soft vectors with their encoder, and a layer of
labels. The keys are named as in PaddleNLP's `PromptTuningArguments`, with its defaults.
"""

from typing import Annotated

from pydantic import Field

from palm.schema.facts import ON, Key, when
from palm.schema.fields import Float, ParadigmFields

_OWN_RATE = when(ppt_learning_rate=ON)


class PromptTrainingFields(ParadigmFields):
    """Keys of paradigms with `prompt_parameters`."""

    ppt_learning_rate: Annotated[Float | None, Key(export="no")] = Field(
        None,
        gt=0,
        description="Highest learning rate of the head's prompt parameters (soft vectors with their encoder, layer of "
        "labels), with the schedule of learning_rate; by default learning_rate times lr_scale.",
    )
    ppt_weight_decay: Annotated[Float, Key(export="no", read=(_OWN_RATE,))] = Field(
        0.0, ge=0, description="`ppt_learning_rate`: decoupled weight decay of the prompt parameters, without biases."
    )
    # The limits are those of `palm.engine.optim.base.AdamFields`.
    ppt_adam_beta1: Annotated[Float, Key(export="no", read=(_OWN_RATE,))] = Field(
        0.9, ge=1e-6, le=1 - 1e-6, description="`ppt_learning_rate`: adam_beta1 of the prompt parameters."
    )
    ppt_adam_beta2: Annotated[Float, Key(export="no", read=(_OWN_RATE,))] = Field(
        0.999, ge=1e-6, le=1 - 1e-6, description="`ppt_learning_rate`: adam_beta2 of the prompt parameters."
    )
    ppt_adam_epsilon: Annotated[Float, Key(export="no", read=(_OWN_RATE,))] = Field(
        1e-8, ge=1e-12, description="`ppt_learning_rate`: adam_epsilon of the prompt parameters."
    )
    freeze_plm: Annotated[bool, Key(export="no")] = Field(
        False,
        description="Of this head only the prompt parameters train, and its loss does not change the encoder, which "
        "stays as it is if all tasks have this key.",
    )
    freeze_dropout: Annotated[bool, Key(export="no")] = Field(
        False, description="As freeze_plm, and the encoder computes without dropout in the task's training steps."
    )


def keeps_encoder(paradigm: ParadigmFields) -> bool:
    """Whether a loss of a paradigm with these keys does not change the encoder."""
    return isinstance(paradigm, PromptTrainingFields) and (paradigm.freeze_plm or paradigm.freeze_dropout)


def without_encoder_dropout(paradigm: ParadigmFields) -> bool:
    """Whether the encoder computes without dropout in training steps of a paradigm with these keys."""
    return isinstance(paradigm, PromptTrainingFields) and paradigm.freeze_dropout
