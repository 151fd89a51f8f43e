"""Keys of readers of whole texts for training rows besides those of train_file: augmented ones, and pseudo labels."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from palm.data.augmentation import AugmentType
from palm.schema.facts import ON, Key, when
from palm.schema.fields import Float, Int, ReaderFields, TrainData

FURTHER_KEYS = ("augment_type", "num_augment", "word_augment_percent", "augment_method", "pseudo_data_path")
"""Keys that do not matter to rows to predict (see `Reader.gold_keys`)."""

_AUGMENTS = when(augment_type=ON)
_NEEDS_WORDS = ("insert", "substitute")


def _none_as_word(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`None`, as PaddleNLP's scripts write the absence of augmentation, is null."""
    return None if value == "None" else value


class FurtherRowsFields(ReaderFields):
    """Keys of readers whose texts may change by a few words without changing their label."""

    augment_type: Annotated[AugmentType | None, BeforeValidator(_none_as_word), Key(export="no")] = Field(
        None,
        description="Add variants of each row of train_file that is trained on, with its label: `swap` exchanges "
        "neighbouring words, `delete` leaves some out. `insert` and `substitute` need a masked language model, which "
        "is run before training: `palm augment`. Words are characters in Chinese; words with a digit stay.",
    )
    num_augment: Annotated[Int, Key(export="no", read=(_AUGMENTS,))] = Field(
        5, ge=0, description="Variants of each row; fewer where a text has no more."
    )
    word_augment_percent: Annotated[Float, Key(export="no", read=(_AUGMENTS,))] = Field(
        0.1,
        gt=0,
        le=1,
        description="Fraction of the words of a text that change, rounded up: at least one word, at most 10.",
    )
    augment_method: Annotated[Literal["mlm"], Key(export="no", read=(when(augment_type=_NEEDS_WORDS),))] = Field(
        "mlm",
        description="Where `insert` and `substitute` take words from: a masked language model, in `palm augment`.",
    )
    pseudo_data_path: Annotated[TrainData, Key(export="no")] = Field(
        None,
        description="Further labelled rows, as `palm pseudo-label` writes them: read like train_file (the format by "
        "the file's ending) and trained on with its rows. Their labels are among those of train_file, and none of them "
        "becomes a dev row.",
    )

    @model_validator(mode="after")
    def _check_augment_type(self) -> "FurtherRowsFields":
        if self.augment_type in _NEEDS_WORDS:
            raise ValueError(
                f"augment_type: {self.augment_type} takes words from a masked language model, which is run before "
                f"training: `palm augment TRAIN_FILE --type {self.augment_type} --encoder NAME --output NEW_FILE`. "
                "Then name NEW_FILE as train_file, and leave augment_type out"
            )
        return self
