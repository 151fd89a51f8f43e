"""The backbone of an encoder is that of its config.json; what none computes is refused by name."""

from itertools import combinations
from pathlib import Path

import pytest

import palm
from palm.backbone.base import BACKBONES
from palm.backbone.bert import Bert
from palm.backbone.ernie import Ernie
from palm.backbone.find import backbone_of, type_problems
from palm.errors import ConfigError

SIZES = {"vocab_size": 11, "hidden_size": 4, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"model_type": "bert"}, "bert"),
        ({"model_type": "ernie", "architectures": ["BertModel"]}, "ernie"),
        ({"architectures": ["BertForMaskedLM"]}, "bert"),
        ({"architectures": ["TFBertModel"]}, "bert"),
        ({"architectures": ["ErnieModel"], "model_type": None}, "ernie"),
        ({"palm_backbone": "ernie", "model_type": "bert"}, "ernie"),
        ({}, None),
        ({"architectures": None, "hidden_size": 4}, None),
    ],
)
def test_it_is_found_by_the_type_or_else_by_the_architecture(config: dict[str, object], name: str | None) -> None:
    assert backbone_of(config) == name


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({"model_type": "gpt2"}, "model_type `gpt2`"),
        ({"model_type": "bert-generation"}, "model_type `bert-generation`"),
        ({"architectures": ["T5ForConditionalGeneration"]}, r"architectures `\['T5ForConditionalGeneration'\]`"),
        ({"architectures": "BertModelWithHeads"}, "architectures `BertModelWithHeads`"),
        ({"model_type": ["bert"]}, r"model_type `\['bert'\]`"),
        ({"model_type": 7}, "model_type `7`"),
        ({"palm_backbone": "mine"}, "palm_backbone `mine`"),
    ],
)
def test_others_are_refused_with_the_types_that_are_read(config: dict[str, object], found: str) -> None:
    with pytest.raises(ConfigError, match=rf"^m/config.json:3: PALM reads .*\bbert\b.*\bernie\b.* Found {found}\."):
        backbone_of(config, where="m/config.json:3")


def test_no_two_backbones_read_one_type() -> None:
    for one, other in combinations([BACKBONES[name] for name in BACKBONES], 2):
        assert not set(one.model_types) & set(other.model_types)


def test_a_backbone_over_the_encoder_of_another_is_refused() -> None:
    (problem,) = type_problems(Bert, {"model_type": "gpt2"}, where="c:1")
    assert "Found model_type `gpt2`" in problem.message
    assert not list(type_problems(Ernie, {"model_type": "bert"}, where="c"))
    assert not list(type_problems(Bert, {}, where="c"))
    with pytest.raises(ConfigError, match=r"^palm.backbone.Bert: Bert computes .*: bert, ernie\. Found `gpt2`\. Use"):
        palm.backbone.BERT.from_config({**SIZES, "model_type": "gpt2"})
    assert palm.backbone.ERNIE.from_config({**SIZES, "model_type": "bert"}).config.hidden_size == 4


def test_a_configuration_takes_it_from_the_file(tmp_path: Path) -> None:
    from palm.config.merge import _settle_backbone
    from palm.schema.values import Resolved, Setting

    file = {"model_type": Setting("model_type", "ernie", "m/config.json:2")}
    run: dict[str, Resolved] = {}
    assert _settle_backbone(run, file) == []
    assert (run["backbone"].setting.value, run["backbone"].setting.where) == ("ernie", "m/config.json:2")
    run = {"backbone": Resolved(Setting("backbone", "unknown", "c.yaml:1"))}  # reported with the keys
    assert _settle_backbone(run, file) == []
