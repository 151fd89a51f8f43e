"""Keys of augmentation and pseudo labels: their values, and readers that have them."""

import pytest
from pydantic import ValidationError

from palm.reader.base import READERS
from palm.reader.further_rows import FURTHER_KEYS, FurtherRowsFields
from palm.schema.fields import exported_keys


def test_defaults_are_those_of_the_scripts():
    keys = FurtherRowsFields()
    assert (keys.augment_type, keys.num_augment, keys.word_augment_percent) == (None, 5, 0.1)
    assert (keys.augment_method, keys.pseudo_data_path) == ("mlm", None)
    assert FurtherRowsFields(augment_type="None").augment_type is None
    assert set(FURTHER_KEYS) == FurtherRowsFields.model_fields.keys() - FurtherRowsFields.__base__.model_fields.keys()


@pytest.mark.parametrize("kind", ["insert", "substitute"])
def test_what_needs_a_model_names_the_command_to_run_before(kind):
    with pytest.raises(ValidationError, match=f"palm augment TRAIN_FILE --type {kind} --encoder NAME --output"):
        FurtherRowsFields(augment_type=kind)


@pytest.mark.parametrize(
    "keys",
    [
        {"augment_type": "subsitute"},
        {"num_augment": -1},
        {"word_augment_percent": 0},
        {"word_augment_percent": 1.5},
        {"augment_method": "word2vec"},
    ],
)
def test_other_values_are_refused(keys):
    with pytest.raises(ValidationError):
        FurtherRowsFields(**keys)


def test_readers_of_whole_texts_have_them_and_no_other():
    having = {name for name in READERS if issubclass(READERS[name].Config, FurtherRowsFields)}
    assert having >= {"cls", "match"}
    assert having.isdisjoint({"seq_label", "mrc", "mlm", "choice", "pairwise_match"})


def test_exported_models_do_not_have_them():
    exported = exported_keys(READERS["cls"].Config(augment_type="swap", pseudo_data_path="x.jsonl"))
    assert FURTHER_KEYS
    assert exported.keys().isdisjoint(FURTHER_KEYS)
