"""Whether an encoder's files say that its tokenizer lower-cases text."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from palm.data.tokenizer_config import read_tokenizer_config
from palm.data.tokenizer_json import lower_cases, read_tokenizer_json


@dataclass(frozen=True)
class LowerCaseSetting:
    """What a file says: its value of `do_lower_case`."""

    value: bool
    file: Path


def lower_case_setting(places: Iterable[Path]) -> LowerCaseSetting | None:
    """What the first of the files that speak of it says; None if none does.

    A tokenizer.json among `places` speaks for itself; otherwise a tokenizer_config.json in their folders is read.

    Args:
        places: A vocabulary or a tokenizer.json, and pre-trained weights or their folder.

    Raises:
        ConfigError: A file is not valid.
    """
    for place in places:
        if place.suffix.lower() == ".json" and place.is_file():
            return LowerCaseSetting(lower_cases(read_tokenizer_json(place), place), place)
        config = read_tokenizer_config(place if place.is_dir() else place.parent)
        if config.do_lower_case is not None and config.file is not None:
            return LowerCaseSetting(config.do_lower_case, config.file)
    return None
