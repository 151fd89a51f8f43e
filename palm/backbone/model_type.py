"""The kind of encoder that a config.json names: its `model_type`, or else its `architectures`."""

import re
from collections.abc import Mapping, Sequence

MODEL_TYPE = "model_type"
ARCHITECTURES = "architectures"
PALM_BACKBONE = "palm_backbone"
"""Key of a config.json that PALM wrote: the name of its backbone."""

TYPE_KEYS = (PALM_BACKBONE, MODEL_TYPE, ARCHITECTURES)
"""The keys of a config.json that name its kind of encoder, the strongest first."""

_CLASS_NAME = re.compile(r"(?:TF|Flax)?(\w+?)(?:Model|PreTrainedModel|LMHeadModel|For[A-Z]\w*)")


def type_key(config: Mapping[str, object]) -> str | None:
    """The key of `config` that names its kind of encoder; None if none does."""
    return next((key for key in TYPE_KEYS if config.get(key)), None)


def encoder_type(config: Mapping[str, object]) -> str | None:
    """The kind as it is written: `xlm-roberta`, or `XLMRoberta` for the architecture `XLMRobertaForMaskedLM`."""
    key = type_key(config)
    if key is None:
        return None
    found = config[key]
    if key != ARCHITECTURES:
        return str(found)
    first = str(found[0]) if isinstance(found, list | tuple) else str(found)
    match = _CLASS_NAME.fullmatch(first)
    return match[1] if match else first


def is_of_type(config: Mapping[str, object], types: Sequence[str]) -> bool:
    """Whether the encoder of `config` is of one of `types`, however that is spelt."""
    found = encoder_type(config)
    return found is not None and _bare(found) in {_bare(each) for each in types}


def _bare(name: str) -> str:
    return re.sub(r"[-_]", "", name).lower()
