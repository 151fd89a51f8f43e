"""Components that users wrote for the interface of PaddlePALM get a message that leads to docs/porting.md."""

import importlib
import re

import pytest

import palm
from palm.backbone.base import BACKBONES
from palm.errors import ConfigError
from palm.paradigm.base import PARADIGMS, Paradigm
from palm.reader.base import READERS
from palm.schema.fields import ParadigmFields

GUIDE = r"docs/porting\.md"


class FormerHead:
    def __init__(self, phase="train"):
        self.phase = phase

    @property
    def inputs_attrs(self):
        return {"reader": {}, "backbone": {}}

    @property
    def epoch_inputs_attrs(self):
        return {}

    def build(self, inputs, scope_name=""):
        return {}

    def postprocess(self, rt_outputs):
        pass


class FormerReader:
    def load_data(self, input_file, batch_size):
        pass

    def _iterator(self):
        yield {}


class FormerBackbone:
    def build(self, inputs):
        return {}


class FormerSchedule:
    def _build(self, learning_rate):
        return learning_rate


@pytest.mark.parametrize(
    "module", ["interface", "head.base_head", "backbone.base_backbone", "reader.base_reader", "task_paradigm"]
)
def test_the_modules_of_the_former_interface(module):
    with pytest.raises(ConfigError, match=rf"import palm\.{module}: .* Register a component of your own; see {GUIDE}"):
        importlib.import_module(f"palm.{module}")


@pytest.mark.parametrize(
    ("registry", "component", "method"),
    [
        (PARADIGMS, FormerHead, "build → build_layers, forward and loss"),
        (READERS, FormerReader, "_iterator → collate"),
        (BACKBONES, FormerBackbone, "build → build_layers"),
    ],
)
def test_registering_a_component_of_the_former_interface(registry, component, method):
    with pytest.raises(ConfigError, match=rf"{component.__name__}: .*Found methods of PaddlePALM's.*{GUIDE}") as caught:
        registry.register("former")(component)
    assert method in str(caught.value)
    assert "former" not in registry


def test_every_method_of_the_former_head_is_named():
    with pytest.raises(ConfigError) as caught:
        PARADIGMS.register("former")(FormerHead)
    assert all(name in str(caught.value) for name in ("inputs_attrs", "build", "epoch_inputs_attrs", "postprocess"))


def test_subclasses_whose_methods_nothing_would_call():
    with pytest.raises(ConfigError, match=GUIDE):
        type("Own", (palm.head.Head,), {"build": FormerHead.build})
    with pytest.raises(ConfigError, match=GUIDE):
        type("Own", (palm.reader.DataReader,), {"_iterator": FormerReader._iterator})


def test_objects_of_the_former_interface_in_calls(tmp_path):
    trainer = palm.Trainer("own")
    sizes = {"vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    backbone = palm.backbone.BERT.from_config(sizes)
    with pytest.raises(ConfigError, match=rf"a head of palm\.head is expected\. Found a FormerHead: .*{GUIDE}"):
        trainer.build_forward(backbone, FormerHead())
    with pytest.raises(
        ConfigError, match=rf"a backbone of palm\.backbone is expected\. Found a FormerBackbone: .*{GUIDE}"
    ):
        trainer.build_forward(FormerBackbone(), palm.head.Classify(2, 8))
    with pytest.raises(ConfigError, match=rf"a reader of palm\.reader is expected\. Found a FormerReader: .*{GUIDE}"):
        trainer.fit_reader(FormerReader())
    loss = trainer.build_forward(backbone, palm.head.Classify(2, 8))
    with pytest.raises(ConfigError, match=rf"a schedule is expected\. Found a FormerSchedule: .*{GUIDE}"):
        palm.optimizer.Adam(loss, 1e-3, FormerSchedule())
    with pytest.raises(ConfigError, match=r"a palm\.optimizer\.Adam is expected\. Found a str\."):
        trainer.build_backward("adam")


def test_a_component_of_today_may_have_a_helper_of_such_a_name():
    abstract = dict.fromkeys(Paradigm.__abstractmethods__)
    component = type("Own", (Paradigm,), {"Config": ParadigmFields, "build": None, **abstract})
    assert PARADIGMS.register("with_a_helper")(component) is component
    PARADIGMS._components.pop("with_a_helper")


def test_the_guide_names_every_former_method(repository):
    from palm.registry import FORMER_METHODS
    from palm.runtime.former_modules import REPLACED_MODULES

    for name in ("porting.md", "porting_zh.md"):
        text = (repository / "docs" / name).read_text(encoding="utf-8")
        methods = {method for methods in FORMER_METHODS.values() for method in methods}
        assert sorted(method for method in methods if not re.search(rf"`{method}[`(]", text)) == []
        assert sorted(module for module in REPLACED_MODULES if f"`{module.removeprefix('palm.')}`" not in text) == []
