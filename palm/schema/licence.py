"""Licence and languages of an encoder, as far as the files of its folder state them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

_CARD = "README.md"
_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "COPYING")
_MOST_BYTES = 1 << 16
_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_BY_TEXT = (
    (re.compile(r"Apache License\s+Version 2\.0, January 2004"), "apache-2.0"),
    (re.compile(r"Permission is hereby granted, free of charge, to any person obtaining a copy"), "mit"),
    (re.compile(r"\bGNU GENERAL PUBLIC LICENSE\s+Version 3, 29 June 2007"), "gpl-3.0"),
)
"""Texts by which a licence is known for certain, and its name on Hugging Face's hub."""
OTHER = "other"
"""Hugging Face's name for a licence that is not on its list; `license_name` tells which."""


@dataclass(frozen=True)
class EncoderTerms:
    """What an encoder's folder states.

    Attributes:
        licence: The licence's name on Hugging Face's hub; None if none is stated.
        name: Its own name where that is `other`.
        link: Where its text is.
        source: The file that states it.
        languages: Codes of languages, such as `en`.
    """

    licence: str | None = None
    name: str | None = None
    link: str | None = None
    source: str = ""
    languages: tuple[str, ...] = ()

    def front_matter(self) -> dict[str, object]:
        """The keys of a model card's metadata: those of a model that is made from the encoder."""
        stated = {"license": self.licence, "license_name": self.name, "license_link": self.link}
        languages: object = self.languages[0] if len(self.languages) == 1 else list(self.languages)
        found: dict[str, object] = {key: value for key, value in stated.items() if value is not None}
        return found | ({"language": languages} if self.languages else {})


def read_encoder_terms(folder: Path | None) -> EncoderTerms:
    """Licence and languages that `folder` states: in the metadata of its README.md, else in a LICENSE file.

    What cannot be read, or is not of the form of a model card, states nothing.
    """
    if folder is None:
        return EncoderTerms()
    metadata = _metadata(folder / _CARD)
    languages = tuple(_texts(metadata.get("language")))
    licences = _texts(metadata.get("license"))
    if licences:
        name, link = (next(iter(_texts(metadata.get(key))), None) for key in ("license_name", "license_link"))
        return EncoderTerms(licences[0], name, link, _CARD, languages)
    file = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if file is None:
        return EncoderTerms(languages=languages)
    text = _head(file)
    plain = "Commons Clause" not in text  # a restriction that is put in front of a known text
    known = next((licence for pattern, licence in _BY_TEXT if plain and pattern.search(text)), None)
    if known is None:
        return EncoderTerms(OTHER, "licence-of-the-encoder", None, file.name, languages)
    return EncoderTerms(known, None, None, file.name, languages)


def _metadata(file: Path) -> Mapping[str, object]:
    found = _FRONT_MATTER.match(_head(file))
    if found is None:
        return {}
    try:
        content = yaml.safe_load(found[1])
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _head(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _texts(value: object) -> list[str]:
    """A name or a list of names; `no` is Norwegian, which YAML reads as False."""
    values = value if isinstance(value, list) else [value]
    named = ["no" if each is False else each for each in values]
    return [each.strip() for each in named if isinstance(each, str) and each.strip()]
