"""Checks that reader, backbone and paradigm of each task fit together, before anything is built."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from palm.backbone.base import Backbone
from palm.backbone.find import registered_name
from palm.balancing.gradients import GRADIENT_METHODS
from palm.balancing.weighting import WEIGHTINGS
from palm.config.prompt_wiring import prompt_problems
from palm.config.run_config import TaskConfig
from palm.config.typed import TypedConfig
from palm.data.tokenizer import Tokenizer
from palm.engine.task_instance import paradigm_for
from palm.errors import ConfigError, Problem, counted
from palm.paradigm.base import PARADIGMS, Paradigm
from palm.reader.base import READERS, Reader
from palm.schema.fields import BackboneFields, ParadigmFields
from palm.schema.prompt_training import PromptTrainingFields
from palm.spec import Phase, Specs, unmet


def unfit_rows(name: str, reader: type[Reader]) -> Iterator[Problem]:
    """The reason why rows of task `name` cannot be shared, if any."""
    if not reader.one_text_per_row:
        rule = "tasks can only share rows of one unchanged text each."
        found = f"Found a reader of `{name}` that masks words, has a prompt, or makes several rows of one text."
        yield Problem(f"tasks.{name}", f"{rule} {found} Remove share_rows_with.")


def connected_components(config: TypedConfig) -> Iterator[Problem]:
    """Readers, backbone and paradigms provide each other's inputs, with matching sizes."""
    if config.backbone is not None and config.tokenizer is not None:
        yield from wiring_problems(config.tasks, config.backbone, config.tokenizer, config.phase)


def wiring_problems(
    tasks: Sequence[TaskConfig], backbone: Backbone, tokenizer: Tokenizer, phase: Phase
) -> Iterator[Problem]:
    """Everything that does not fit between `tasks`, their vocabulary and the backbone."""
    yield from _backbone_problems(backbone.config, tokenizer)
    for task in tasks:
        try:
            reader, paradigm = components_of(task, tokenizer)
        except ConfigError as error:
            yield from error.problems
            continue
        of_prompt = list(prompt_problems(task, reader, paradigm, backbone))
        yield from of_prompt or _missing_objects(task, reader, backbone, paradigm, phase)
        yield from _size_problems(task, reader, backbone)
        if task.settings.smart_weight and paradigm.incomparable is not None:
            rule = f"SMART compares distributions over the labels of a text or word. Found `{paradigm.incomparable}`."
            yield Problem(f"tasks.{task.name}.smart_weight", f"{rule} Set the key only for other tasks.")


def components_of(task: TaskConfig, tokenizer: Tokenizer) -> tuple[Reader, Paradigm]:
    """Reader and paradigm of a task, before data is read.

    Raises:
        ConfigError: Keys that contradict each other or the tokenizer, with the name of the task.
    """
    try:
        reader = READERS[task.reader_name](task.reader, tokenizer)
        return reader, paradigm_for(PARADIGMS[task.paradigm_name], task.paradigm, reader)
    except ConfigError as error:
        raise of_task(task.name, error) from error


def of_task(name: str, error: ConfigError) -> ConfigError:
    """The problems of keys of the task `name`."""
    return ConfigError([replace(problem, where=f"tasks.{name}.{problem.where}") for problem in error.problems])


def _missing_objects(
    task: TaskConfig, reader: Reader, backbone: Backbone, paradigm: Paradigm, phase: Phase
) -> Iterator[Problem]:
    given = reader.outputs_attr(phase)
    needs: tuple[tuple[str, Specs, str, Specs], ...] = (
        (f"backbone `{backbone_name(backbone)}`", backbone.inputs_attr(), f"reader `{task.reader_name}`", given),
        (f"paradigm `{task.paradigm_name}`", paradigm.reader_inputs(phase), f"reader `{task.reader_name}`", given),
        (f"paradigm `{task.paradigm_name}`", paradigm.backbone_inputs(), "the backbone", backbone.outputs_attr()),
    )
    for who, needed, giver, offered in needs:
        for name, reason in unmet(needed, offered).items():
            advice = _who_gives(name, phase, reader.tokenizer)
            message = f"{who} needs `{name}` from {giver}, which does not fit: {reason}. {advice}"
            yield Problem(f"tasks.{task.name}", message)


def _who_gives(name: str, phase: Phase, tokenizer: Tokenizer) -> str:
    asked = {key: READERS[key].on_request[name] for key in READERS if name in READERS[key].on_request}
    if asked:
        named = "readers {} provide" if len(asked) > 1 else "reader {} provides"
        return f"The {named.format(' and '.join(asked))} it with `{next(iter(asked.values()))}`."
    givers = [key for key in READERS if name in READERS[key](READERS[key].Config(), tokenizer).outputs_attr(phase)]
    return f"Readers that provide it: {', '.join(givers)}." if givers else "No registered reader provides it."


def backbone_name(backbone: Backbone) -> str:
    """The registered name of `backbone`'s class."""
    return registered_name(type(backbone))


def layers_to_train(config: TypedConfig) -> Iterator[Problem]:
    """The encoder has the layers to freeze, and a trainable one to balance gradients on."""
    train = config.train
    if train is None or config.backbone is None:
        return
    layers, frozen = config.backbone.config.num_hidden_layers, train.freeze_layers
    if train.weighting in GRADIENT_METHODS and train.freeze_embeddings and frozen >= layers:
        rule = f"{train.weighting} balances the gradients of the shared encoder, and all of its layers are frozen."
        yield Problem("weighting", f"{rule} Found freeze_layers: {frozen}. Freeze fewer, or set weighting: fixed.")
    if frozen and config.backbone.layers_share_parameters:
        rule = "freeze_layers freezes the lowest layers, and here one layer computes several."
        found = f"Found backbone `{backbone_name(config.backbone)}`."
        yield Problem("freeze_layers", f"{rule} {found} Leave the key out.")
    if frozen > layers:
        yield Problem(
            "freeze_layers", f"the encoder has {counted(layers, 'layer')} to freeze. Found {frozen}. Lower it."
        )


def layer_to_measure(config: TypedConfig) -> Iterator[Problem]:
    """A weighting that needs gradient norms has a layer to measure them on."""
    train = config.train
    if train is None or config.backbone is None or not config.for_train:
        return
    if train.weighting not in WEIGHTINGS or not WEIGHTINGS[train.weighting].needs_norms:
        return
    depth, frozen = config.backbone.config.num_hidden_layers, train.freeze_layers
    trained = [task for task in config.tasks if task.settings.mix_ratio > 0]
    last = min(task.paradigm.last_shared_layer(depth, task.settings.layer) for task in trained)
    if last < frozen:
        rule = "measures the tasks' gradients on the last shared, trainable encoder layer."
        found = "Found no layer that all share" if last < 0 else f"Found layer {last}, and freeze_layers: {frozen}"
        yield Problem(
            "weighting",
            f"{train.weighting} {rule} {found}. Freeze or copy fewer, or set weighting: uncertainty.",
        )


def rows_of_one_text(config: TypedConfig) -> Iterator[Problem]:
    """Readers of shared rows produce one row per unchanged text."""
    if config.tokenizer is None or not config.for_train:
        return
    leaders = {task.settings.share_rows_with for task in config.tasks}
    for task in config.tasks:
        if task.name in leaders or task.settings.share_rows_with is not None:
            yield from unfit_rows(task.name, READERS[task.reader_name])


def _backbone_problems(backbone: BackboneFields, tokenizer: Tokenizer) -> Iterator[Problem]:
    if backbone.hidden_size % backbone.num_attention_heads:
        found = f"Found {backbone.hidden_size} and {backbone.num_attention_heads}."
        yield Problem("backbone", f"num_attention_heads must divide hidden_size. {found} Change one of them.")
    if tokenizer.vocab_size > backbone.vocab_size:
        found = f"The vocabulary has {tokenizer.vocab_size} entries, vocab_size is {backbone.vocab_size}."
        yield Problem(
            "vocab_path",
            f"every entry needs a row of the embedding table. {found} Use the vocabulary of these weights.",
        )


def _size_problems(task: TaskConfig, reader: Reader, shared: Backbone) -> Iterator[Problem]:
    backbone = shared.config
    longest = backbone.longest_sequence()
    if longest is not None and task.reader.max_seq_len > longest:
        found = f"Found {task.reader.max_seq_len} over {longest}."
        message = f"max_seq_len is at most the backbone's max_position_embeddings. {found} Lower max_seq_len."
        yield Problem(f"tasks.{task.name}.max_seq_len", message)
    layout = reader.tokenizer.pair if reader.segments > 1 else reader.tokenizer.single
    if layout.num_special > task.reader.max_seq_len:
        found = f"Found {layout.num_special} special tokens, such as [CLS], and max_seq_len: {task.reader.max_seq_len}."
        yield Problem(f"tasks.{task.name}.max_seq_len", f"a sequence has room for text. {found} Raise max_seq_len.")
    segments = min(reader.segments, layout.num_segments)
    if segments > backbone.type_vocab_size > 0 and "segment_ids" in shared.inputs_attr():  # else [SEP] separates
        rule = f"reader `{task.reader_name}` needs an encoder with {segments} segments (type_vocab_size)."
        advice = "Use an encoder that was trained on pairs of texts, or a task with one text per row."
        yield Problem(f"tasks.{task.name}.reader", f"{rule} Found {backbone.type_vocab_size}. {advice}")
    layers = backbone.num_hidden_layers
    if not -layers <= task.settings.layer < layers:
        message = (
            f"layer is an index into {layers} encoder layers. Found {task.settings.layer}. Use -{layers}…{layers - 1}."
        )
        yield Problem(f"tasks.{task.name}.layer", message)
    for index in task.paradigm.layers if task.paradigm.layers not in (["last"], ["mix"]) else ():
        if not -layers <= int(index) < layers:
            message = f"layers are indices into {layers} encoder layers. Found {index}. Use -{layers}…{layers - 1}."
            yield Problem(f"tasks.{task.name}.layers", message)
    yield from _copied_layers_problems(task, layers)
    if shared.layers_share_parameters and task.paradigm.sharing == "soft":
        rule = "sharing: soft replaces layers of the encoder, and here one layer computes several."
        found = f"Found backbone `{backbone_name(shared)}`."
        yield Problem(f"tasks.{task.name}.sharing", f"{rule} {found} Use private_layers, or another sharing.")


def sequences_of_usual_length(stages: Sequence[TypedConfig]) -> list[Problem]:
    """A warning for each task whose sequences are longer than those of the pre-training, and can be computed."""
    found = []
    for config in stages:
        backbone = config.backbone_config
        if backbone is None or backbone.longest_sequence() is not None or not config.for_train:
            continue
        for task in config.tasks:
            longest, usual = task.reader.max_seq_len, backbone.max_position_embeddings
            if longest > usual:
                rule = f"this encoder computes sequences of any length, and knows those of up to {usual} tokens."
                advice = "Far tokens count as equally far; compare with a shorter max_seq_len."
                found.append(Problem(config.where("max_seq_len", task.name), f"{rule} Found {longest}. {advice}"))
    return list(dict.fromkeys(found))


def _copied_layers_problems(task: TaskConfig, depth: int) -> Iterator[Problem]:
    where, copied = f"tasks.{task.name}.sharing_layers", task.paradigm.copied_layers(depth)
    if copied and (task.paradigm.sharing_layers or 0) > depth:
        yield Problem(
            where, f"the encoder has {counted(depth, 'layer')} to copy. Found {task.paradigm.sharing_layers}. Lower it."
        )
    highest = max(task.paradigm.mixed_layers(depth) or [task.settings.layer % depth])
    if copied and highest < depth - copied:
        found = f"Found layer {highest} of 0 to {depth - 1}, and copies of the last {copied}."
        yield Problem(where, f"a head sees some of its own layers. {found} Raise sharing_layers, or the layer.")


def alike_shared_heads(config: TypedConfig) -> Iterator[Problem]:
    """Tasks that share a head have the same paradigm or kind of head, and the same keys of what trains and how."""
    first: dict[str, TaskConfig] = {}
    for task in config.tasks:
        other = first.setdefault(task.head, task)
        if task.paradigm_name != other.paradigm_name and not _alike_kinds(task, other, config.tokenizer):
            message = (
                f"tasks that share a head (task_reuse_tag, share_head_with) need the same paradigm. `{other.name}` has "
                f"`{other.paradigm_name}`, `{task.name}` has `{task.paradigm_name}`. Give them different tags."
            )
            yield Problem(f"tasks.{task.name}", message + _advice_on_prompts(task, other))
            continue
        for key, (theirs, ours) in _update_keys(other, task).items():
            if theirs != ours:
                found = f"Found {theirs} (`{other.name}`) and {ours} (`{task.name}`)."
                yield Problem(f"tasks.{task.name}.{key}", f"a shared head has one {key}. {found} Make them equal.")


def _alike_kinds(one: TaskConfig, other: TaskConfig, tokenizer: Tokenizer | None) -> bool:
    """Whether tasks of two paradigms have heads of one kind; so it is where that cannot be known yet."""
    if tokenizer is None:
        return True
    try:
        kinds = [components_of(task, tokenizer)[1].head_kind for task in (one, other)]
    except ConfigError:  # another check reports it
        return True
    return kinds[0] is not None and kinds[0] == kinds[1]


def _advice_on_prompts(one: TaskConfig, other: TaskConfig) -> str:
    if not any(PARADIGMS[task.paradigm_name].answers_prompts for task in (one, other)):
        return ""
    return (
        " Of a masked language model, a prompt shares the head with verbalizer manual or masked, and neither soft "
        "vectors nor a prefix."
    )


def _update_keys(one: TaskConfig, other: TaskConfig) -> dict[str, tuple[object, object]]:
    """The values that two tasks have for the keys of what of the head trains, and how."""
    scale, other_scale = (PARADIGMS[each.paradigm_name].head_lr_scale(each.settings.lr_scale) for each in (one, other))
    found: dict[str, tuple[object, object]] = {"lr_scale": (scale, other_scale)}
    if any(isinstance(task.paradigm, PromptTrainingFields) for task in (one, other)):
        for key, field in PromptTrainingFields.model_fields.items():
            if key not in ParadigmFields.model_fields:
                found[key] = getattr(one.paradigm, key, field.default), getattr(other.paradigm, key, field.default)
    return found
