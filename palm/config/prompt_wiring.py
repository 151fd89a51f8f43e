"""Checks that a prompt, the paradigm that answers it, and the encoder fit together."""

from collections.abc import Iterator

from palm.backbone.base import Backbone
from palm.backbone.find import registered_name
from palm.config.run_config import TaskConfig
from palm.data.prompt_form import PromptForm
from palm.errors import Problem
from palm.paradigm.base import PARADIGMS, Paradigm
from palm.reader.base import Reader

_CANDIDATES = "choice_rows"


def prompt_problems(task: TaskConfig, reader: Reader, paradigm: Paradigm, backbone: Backbone) -> Iterator[Problem]:
    """What a task's template has that its paradigm does not read, or that its encoder does not compute."""
    form = reader.prompt_form
    if form is None:
        return
    where = f"tasks.{task.name}.prompt"
    has = _learned(form)
    if has and not paradigm.answers_prompts:
        rule = "vectors of a prompt are parameters of the head that answers it."
        givers = ", ".join(name for name in PARADIGMS if PARADIGMS[name].answers_prompts)
        advice = f"Use paradigm: {givers}, or a prompt of texts and fixed words."
        yield Problem(where, f"{rule} Found {has}, and paradigm `{task.paradigm_name}`, which has none. {advice}")
    elif has:
        yield from (Problem(where, message) for message in _unlike_encoder(task, form, has, backbone))
    if _CANDIDATES in reader.outputs_attr("predict") and _CANDIDATES not in paradigm.reader_inputs("predict"):
        rule = "a prompt with options makes a sequence of each, of which a paradigm chooses one."
        found = f"Found paradigm `{task.paradigm_name}`" + ("" if not paradigm.answers_prompts else " with a mask to read")
        advice = "Set `verbalizer: none`, or remove the options." if paradigm.answers_prompts else "Remove the options."
        yield Problem(where, f"{rule} {found}. {advice}")


def _unlike_encoder(task: TaskConfig, form: PromptForm, has: str, backbone: Backbone) -> Iterator[str]:
    name = registered_name(type(backbone))
    if "embedding_table" not in backbone.outputs_attr():
        rule = "vectors of a prompt stand among the word embeddings of an encoder."
        yield f"{rule} Found {has}, and backbone `{name}`, which has no `embedding_table`. Use another backbone."
    if not form.prefix_length:
        return
    if not backbone.takes_prefix:
        rule = "a prefix is keys and values of attention, which not every encoder takes."
        yield f"{rule} Found backbone `{name}`, which does not. Use soft vectors: {{'soft': None, 'length': 10}}."
    if task.paradigm.sharing != "hard":
        rule = "a prefix is a task's own part of the encoder, of which a head has one."
        yield f"{rule} Found sharing: {task.paradigm.sharing} as well. Remove the prefix or the key."


def _learned(form: PromptForm) -> str:
    """The learned vectors of a template, in words."""
    found = [f"{len(form.soft_starts)} soft vectors"] if form.soft_starts else []
    found += [f"a prefix of {form.prefix_length}"] if form.prefix_length else []
    return " and ".join(found)
