"""The kind of encoder that a config.json names."""

import pytest

from palm.backbone.model_type import encoder_type, is_of_type


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"model_type": "xlm-roberta", "architectures": ["BertModel"]}, "xlm-roberta"),
        ({"architectures": ["XLMRobertaForSequenceClassification"]}, "XLMRoberta"),
        ({"architectures": ["TFDistilBertModel"]}, "DistilBert"),
        ({"architectures": ["ElectraForPreTraining"]}, "Electra"),
        ({"architectures": ["ErnieForMaskedLM"], "model_type": ""}, "Ernie"),
        ({"architectures": ["Something"]}, "Something"),
        ({"architectures": [3]}, "3"),
        ({"palm_backbone": "ernie", "model_type": "bert"}, "ernie"),
        ({"architectures": []}, None),
        ({}, None),
    ],
)
def test_type(config: dict[str, object], kind: str | None) -> None:
    assert encoder_type(config) == kind


def test_spelling_does_not_matter() -> None:
    assert is_of_type({"architectures": ["XLMRobertaModel"]}, ["roberta", "xlm-roberta"])
    assert not is_of_type({"architectures": ["XLMRobertaModel"]}, ["roberta"])
    assert not is_of_type({}, ["roberta"])
