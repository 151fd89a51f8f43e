"""Settings of a config.json that change what an encoder computes, besides the keys that PALM reads: refused by name."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from palm.schema.validate import shown

Settings = Mapping[str, tuple[object, ...]]
"""Setting → the values with which an encoder computes what PALM computes; one that is not written is among them."""

ENCODER_SETTINGS: Settings = MappingProxyType(
    {
        "position_embedding_type": ("absolute",),
        "is_decoder": (False,),
        "add_cross_attention": (False,),
        "is_encoder_decoder": (False,),
        "pruned_heads": ({}, []),
        "quantization_config": ({},),
    }
)
"""Those of every encoder in transformers."""

_OWN_CODE = "auto_map"  # class of transformers → class in a module of the folder


def unsupported_settings(config: Mapping[str, object], supported: Settings) -> Iterator[tuple[str, str]]:
    """The settings of a config.json with which it computes something else, each with a message.

    Args:
        config: The content of a config.json.
        supported: The values that a backbone computes with.
    """
    for key, values in supported.items():
        found = config.get(key)
        if found is not None and found not in values:
            names = " or ".join(shown(value) for value in values if value not in ({}, [])) or "nothing"
            rule = f"PALM computes this encoder with {key}: {names}."
            yield key, f"{rule} Found {shown(found)}, which computes something else. Use an encoder without it."
    own_code = config.get(_OWN_CODE)
    if isinstance(own_code, Mapping) and any(str(name).startswith("AutoModel") for name in own_code):
        rule = "PALM computes encoders of transformers itself, and runs no code of a model's folder."
        found = f"Found {_OWN_CODE} {shown(own_code)}"
        yield _OWN_CODE, f"{rule} {found}. Use an encoder that transformers loads without trust_remote_code."
