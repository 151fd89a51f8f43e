"""Checks that a prompt, the paradigm that answers it, and the encoder fit together."""

from collections.abc import Iterator

from palm.backbone.base import Backbone
from palm.backbone.find import registered_name
from palm.config.run_config import TaskConfig
from palm.data.prompt_form import PromptForm
from palm.engine.task_instance import paradigm_for
from palm.errors import ConfigError, Problem
from palm.paradigm.base import PARADIGMS, Paradigm
from palm.reader.base import READERS, Reader
from palm.reader.label_words import labels_with_words
from palm.reader.prompt_fields import PromptReaderConfig
from palm.schema.prompt_training import PromptTrainingFields, keeps_encoder

_CANDIDATES, _MASKS = "choice_rows", "mask_positions"


def prompt_problems(task: TaskConfig, reader: Reader, paradigm: Paradigm, backbone: Backbone) -> Iterator[Problem]:
    """What a task's template has that its paradigm does not read, or its encoder does not compute, and the reverse."""
    form = reader.prompt_form
    if form is None and not paradigm.answers_prompts:
        return
    where = f"tasks.{task.name}.prompt"
    if form is None:
        rule = f"paradigm `{task.paradigm_name}` answers the template of a reader that has one."
        givers = ", ".join(name for name in READERS if READERS[name].prompt_form is not Reader.prompt_form)
        found = f"Found reader `{task.reader_name}`, which has none."
        yield Problem(f"tasks.{task.name}.reader", f"{rule} {found} Use reader: {givers}.")
    elif not paradigm.answers_prompts:
        yield from (Problem(where, message) for message in _unanswered(task, form, reader))
    else:
        yield from (Problem(where, message) for message in _unlike_encoder(task, form, backbone))
        yield from _untrained(task, paradigm)
        other = [Problem(where, message) for message in _other_answers(reader, paradigm)]
        yield from other or _unfit_words(task, reader, paradigm)


def _unanswered(task: TaskConfig, form: PromptForm, reader: Reader) -> Iterator[str]:
    """Parts of a template that a paradigm for any text does not read."""
    givers = ", ".join(name for name in PARADIGMS if PARADIGMS[name].answers_prompts)
    has = _learned(form) or ("options" if _CANDIDATES in reader.outputs_attr("predict") else "")
    if has:
        rule = "vectors and options of a prompt belong to the head that answers it."
        advice = f"Use paradigm: {givers}, or a prompt of texts and fixed words."
        yield f"{rule} Found {has}, and paradigm `{task.paradigm_name}`, which does not read them. {advice}"


def _other_answers(reader: Reader, paradigm: Paradigm) -> Iterator[str]:
    """A template with options for a verbalizer that reads masks, or with masks for one that chooses an option."""
    given, needed = reader.outputs_attr("predict"), paradigm.reader_inputs("predict")
    if _MASKS in needed and _MASKS not in given:
        rule = "a prompt with options has no mask for words to be read off."
        yield f"{rule} Found a verbalizer of masks. Set `verbalizer: none`, or remove the options."
    if _CANDIDATES in needed and _CANDIDATES not in given:
        rule = "`verbalizer: none` chooses one of the options of a prompt."
        yield f"{rule} Found a prompt without any. Add {{'options'}}, or use another verbalizer."


def _unlike_encoder(task: TaskConfig, form: PromptForm, backbone: Backbone) -> Iterator[str]:
    """Vectors that the layers of an encoder do not take, or beside other parts in them."""
    has, name = _learned(form), registered_name(type(backbone))
    if has and "embedding_table" not in backbone.outputs_attr():
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


def _untrained(task: TaskConfig, paradigm: Paradigm) -> Iterator[Problem]:
    """A head without prompt parameters of which only these would train."""
    if isinstance(paradigm.config, PromptTrainingFields) and keeps_encoder(paradigm.config):
        key = "freeze_plm" if paradigm.config.freeze_plm else "freeze_dropout"
        if paradigm.head_kind is not None and paradigm.config.sharing == "hard":
            rule = f"{key}: only prompt parameters train, such as soft vectors or a layer of labels."
            advice = "Use a soft template or verbalizer, or remove the key."
            yield Problem(f"tasks.{task.name}.{key}", f"{rule} Found a head without any. {advice}")


def _unfit_words(task: TaskConfig, reader: Reader, paradigm: Paradigm) -> Iterator[Problem]:
    """Words under label_words that do not fit the verbalizer; those of other labels are known with the data."""
    keys = reader.config
    if reader.labels is not None or not isinstance(keys, PromptReaderConfig) or not keys.label_words:
        return
    labels = labels_with_words((), keys.label_words, None)
    try:
        paradigm_for(type(paradigm), paradigm.config, type(reader)(keys, reader.tokenizer, labels))
    except ConfigError as error:
        yield from (Problem(f"tasks.{task.name}.{each.where}", each.message) for each in error.problems)


def _learned(form: PromptForm) -> str:
    """The learned vectors of a template, in words."""
    found = [f"{len(form.soft_starts)} soft vectors"] if form.soft_starts else []
    found += [f"a prefix of {form.prefix_length} vectors"] if form.prefix_length else []
    return " and ".join(found).replace("1 soft vectors", "1 soft vector")
