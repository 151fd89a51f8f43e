"""The runs that several processes and one have to train alike: every paradigm, and every method of training."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.integration import all_heads, prompt_mix, tiny

Keys = dict[str, Any]
STEPS = 8
SMOOTH = {"adam_epsilon": 1e-3, "learning_rate": 5e-3}
"""Adam divides by the root of the mean square of a gradient: of one that is zero but for rounding, it makes a step as
large as any other. With a large epsilon the parameters differ as much as the gradients do."""


@dataclass(frozen=True)
class Case:
    """A run of several processes, and what to do around it.

    Attributes:
        name: What it is about.
        config: The configuration, with the batch size of each of two processes.
        not_finite: Whether the loss of rows with the word `not` is NaN, which only one process has.
        stop_after: Send SIGTERM to the last process in this step; 0 for none.
        predicts: Whether to predict and to evaluate with what it has exported.
        exact_parameters: Whether parameters are compared.
    """

    name: str
    config: Mapping[str, Any]
    not_finite: bool = False
    stop_after: int = 0
    predicts: bool = False
    exact_parameters: bool = True

    def to_json(self) -> dict[str, Any]:
        """For `read_cases`."""
        return asdict(self)


def read_cases(file: Path) -> list[Case]:
    """The cases that `write_cases` wrote."""
    return [Case(**each) for each in json.loads(file.read_text(encoding="utf-8"))]


def write_cases(cases: list[Case], file: Path) -> None:
    """Write cases for `benchmarks.scale.worker`."""
    file.write_text(json.dumps([case.to_json() for case in cases], ensure_ascii=False), encoding="utf-8")


def scaled(case: Case, factor: int) -> Case:
    """The same with batches of each process that are `factor` times as large: those of fewer processes."""

    def grown(keys: Mapping[str, Any]) -> Keys:
        sizes = {name: keys[name] * factor for name in ("batch_size", "max_tokens") if name in keys}
        return {**keys, **sizes}

    tasks = {name: grown(keys) for name, keys in case.config["tasks"].items()}
    return Case(**{**case.to_json(), "config": {**grown(case.config), "tasks": tasks}})


def in_folder(case: Case, folder: Path, **keys: Any) -> Case:  # noqa: ANN401 (keys of a configuration)
    """The same with another save_path, and further keys."""
    return Case(**{**case.to_json(), "config": {**case.config, "save_path": str(folder / "out"), **keys}})


Tasks = Callable[[Path], dict[str, Keys]]


def _heads(*names: str, **keys: Any) -> Tasks:  # noqa: ANN401 (keys of a task)
    """Some of the tasks of `all_heads`, with further keys."""
    return lambda folder: {name: {**all_heads.tasks(folder)[name], **keys} for name in names}


def _relations(**keys: Any) -> Tasks:  # noqa: ANN401 (keys of a task)
    """Spans within each other, one, two or three in a text, with a relation from each to the one before."""

    def tasks(folder: Path) -> dict[str, Keys]:
        file, lines = folder / "related.jsonl", []
        for label, text in tiny.classification_rows(25, seed=4):
            spans = [[0, len(text), label], [0, 3, "first"], [0, 1, label]][: 1 + len(text) % 3]
            related = [[number, number - 1, f"in {label}"] for number in range(1, len(spans))]
            lines.append(json.dumps({"text": text, "label": spans, "relations": related}, ensure_ascii=False))
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        files = {"train_file": str(file), "dev_file": str(file), "pred_file": str(file)}
        return {"关系": {"reader": "spans", "paradigm": "spans", **files, **keys}}

    return tasks


def _two(**keys: Any) -> Tasks:  # noqa: ANN401 (keys of a task)
    """A task of texts and one of tokens, in batches of different sizes."""
    return lambda folder: {
        "water": {**tiny.classification_task(folder, "water", 25), "batch_size": 3, **keys},
        "slots": {**tiny.slot_task(folder, "slots"), **keys},
    }


def _shared(**keys: Any) -> Tasks:  # noqa: ANN401 (keys of the second task)
    """Two tasks with labels of the same texts, not of all of them."""

    def tasks(folder: Path) -> dict[str, Keys]:
        rows = [[label, f"{text} {word}"] for (label, text), word in zip(
            tiny.classification_rows(22, seed=7), tiny.WORDS + tiny.WORDS, strict=False)]  # fmt: skip
        few = [["first" if "red" in text else "second", text] for _, text in rows[::3]]
        header = ["label", "text_a"]
        both = {"reader": "cls", "paradigm": "cls"}
        one = {**both, "train_file": tiny.write_tsv(folder / "one.tsv", header, rows)}
        two = {**both, "train_file": tiny.write_tsv(folder / "two.tsv", header, few), "share_rows_with": "one", **keys}
        return {"one": one, "two": two}

    return tasks


def _prompts(**keys: Any) -> Tasks:  # noqa: ANN401 (keys of the task with prompt parameters)
    """A task with prompt parameters, and one without."""
    rates = {"ppt_learning_rate": 1e-3, "ppt_adam_epsilon": 1e-3, "ppt_adam_beta1": 0.8, "ppt_weight_decay": 0.1}

    def tasks(folder: Path) -> dict[str, Keys]:
        classes = tiny.classification_task(folder, "水", 25, chinese=True)
        return {
            "水": {**classes, "paradigm": "prompted", "batch_size": 3, "sharing": "adapter", **rates, **keys},
            "slots": tiny.slot_task(folder, "slots"),
        }

    return tasks


def _answers(folder: Path) -> dict[str, Keys]:
    """Questions of which one process may have only some without an answer."""
    task = tiny.mrc_task(folder, "answer")
    return {"answer": {**task, "rdrop_alpha": 0.5}}


def _prompt_mix(**keys: Any) -> Tasks:  # noqa: ANN401 (keys of prompts with parameters)
    """Prompts of every kind in a mix, without dev files; `keys` are for those with prompt parameters."""
    own = ("soft", "prefix", "options")
    return lambda folder: {
        name: {**task, "dev_file": None, **(keys if name in own else {})}
        for name, task in prompt_mix.tasks(folder).items()
    }


def _translation(**keys: Any) -> Tasks:  # noqa: ANN401 (keys of the task)
    """A task that writes texts of different lengths, and one of tokens."""
    own = {"max_target_len": 12, "decoder_layers": 1, "dropout_prob": 0.2, **keys}
    return lambda folder: {
        "译": {**tiny.translation_task(folder, "译"), "batch_size": 3, **own},
        "slots": tiny.slot_task(folder, "slots"),
    }


_DROPOUT = {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}
_DEBERTA = {
    "backbone": "deberta", "relative_attention": True, "pos_att_type": "p2c|c2p", "max_relative_positions": -1,
}  # fmt: skip
_JOINT = {"mode": "joint"}
_PROMPTED = {"imports": "tests.integration.prompted_registered"}


MATRIX: dict[str, tuple[Tasks, Keys]] = {
    "cls": (_heads("water"), {}),
    "seq_label": (_heads("tags"), {}),
    "parse": (_heads("trees"), {}),
    "seq_label with bilstm_crf": (_heads("slots"), {}),
    "mrc": (_heads("answer"), {}),
    "mrc with R-Drop": (_answers, {}),
    "mlm": (_heads("words", target=True), {}),
    "mlm of whole words": (_heads("words", target=True, whole_word_masking=True), {}),
    "match": (_heads("pairs"), {}),
    "pairwise_match": (_heads("near"), {}),
    "choice": (_heads("which"), {}),
    "embed": (_heads("few"), {}),
    "embed_pairs, in-batch negatives": (_heads("same"), {}),
    "embed_pairs, scored": (_heads("score"), {}),
    "multi_label": (_heads("sets"), {}),
    "regression": (_heads("wet"), {}),
    "spans": (_heads("跨"), {}),
    "spans, biaffine, R-Drop": (_heads("nested", rdrop_alpha=0.5), {}),
    "spans with relations": (_relations(), {}),
    "spans with relations, biaffine": (_relations(span_scorer="biaffine", span_head_size=7), {}),
    "seq2seq": (_translation(label_smoothing=0.1), {}),
    "seq2seq, joint, R-Drop": (_translation(rdrop_alpha=1.0), {**_JOINT, "gradient_accumulation_steps": 2}),
    "class_weights": (_heads("water", class_weights={"water": 3.0, "air": 0.0}, label_smoothing=0.1), {}),
    "focal loss": (_heads("tags", focal_gamma=2.0), {}),
    "a process without rows": (_two(), {"max_steps": 14}),
    "gradient_accumulation_steps": (_two(), {"gradient_accumulation_steps": 3}),
    "joint": (_two(), _JOINT),
    "joint, shared rows": (_shared(), {**_JOINT, "batch_size": 2}),
    "joint, shared rows, R-Drop": (_shared(rdrop_alpha=1.0), {**_JOINT, "batch_size": 2, "recompute": True}),
    "joint, shared rows, FGM": (_shared(), {**_JOINT, "batch_size": 2, "adversarial_epsilon": 0.3}),
    "joint, shared rows, UPGrad": (_shared(), {**_JOINT, "batch_size": 2, "weighting": "upgrad"}),
    "PCGrad": (_two(), {"weighting": "pcgrad"}),
    "CAGrad": (_two(), {"weighting": "cagrad", "gradient_accumulation_steps": 2}),
    "MGDA": (_two(), {"weighting": "mgda"}),
    "Nash-MTL": (_two(), {"weighting": "nash_mtl", **_JOINT}),
    "GradNorm": (_two(), {"weighting": "gradnorm"}),
    "GradNorm, joint": (_two(), {"weighting": "gradnorm", **_JOINT}),
    "uncertainty": (_two(), {"weighting": "uncertainty"}),
    "adaptive sampling": (_two(), {"sampling": "adaptive", "eval_every_n_steps": 2, "max_steps": 14}),
    "EMA": (_two(), {"use_ema": True, "ema_decay": 0.8, "eval_every_n_steps": 4}),
    "SMART": (_two(smart_weight=1.0), {}),
    "R-Drop": (_two(rdrop_alpha=1.0), {}),
    "R-Drop, summed": (_two(use_rdrop=True, alpha_rdrop=0.5), {"gradient_accumulation_steps": 2}),
    "prompt parameters": (_prompts(), _PROMPTED),
    "prompt parameters, kept encoder": (_prompts(freeze_plm=True), _PROMPTED),
    "prompt parameters, joint": (_prompts(freeze_dropout=True, use_rdrop=True), {**_PROMPTED, **_JOINT}),
    "FGM": (_two(), {"adversarial_epsilon": 0.3}),
    "adapters": (_heads("adapted", "lora", "private"), {}),
    "layers of a task": (_heads("copied", "soft", "shallow"), {}),
    "soft sharing, penalized": (_heads("soft", soft_sharing_weight=0.5), {}),
    "a mix of layers": (_heads("水"), {}),
    "recompute": (_two(), {"recompute": True}),
    "bf16": (_two(), {"amp": "bf16"}),
    "plain kernels": (_two(), {"kernels": "plain"}),
    "gradual unfreezing": (_two(), {"unfreeze_every_n_steps": 3}),
    "early stopping": (_two(early_stopping_patience=1), {"eval_every_n_steps": 2, "max_steps": 14}),
    "selection": (_two(), {"selection": {"water": 1.0}, "eval_every_n_steps": 3, "export": "best"}),
    "max_tokens": (_two(max_tokens=30), {}),
    "gradient cosines": (_two(), {"log_gradient_cosines_every_n_steps": 3}),
    "large vocabulary": (_two(), {"vocab_size": 4500, "gradient_accumulation_steps": 2}),
    "large vocabulary, FGM": (_two(), {"vocab_size": 4500, "adversarial_epsilon": 0.3}),
    "prompts": (_prompt_mix(), {"max_seq_len": 40, "max_steps": 22}),
    "prompts, joint": (_prompt_mix(rdrop_alpha=0.5), {"max_seq_len": 40, "max_steps": 2, **_JOINT}),
    "prompts, a kept encoder": (_prompt_mix(freeze_plm=True), {"max_seq_len": 40, "max_steps": 12}),
    "DeBERTa": (_two(), _DEBERTA),
    "DeBERTa, plain kernels": (_two(), {**_DEBERTA, "kernels": "plain"}),
    "stages": (_two(), {"stages": {
        "first": {"task_instance": "slots", "max_steps": 4}, "second": {"task_instance": "water", "max_steps": 4}}}),
}  # fmt: skip


def matrix(folder: Path) -> list[Case]:
    """A case of each method, with its data in `folder`."""
    cases = []
    for number, (name, (tasks, keys)) in enumerate(MATRIX.items()):
        place = folder / f"{number:02}"
        place.mkdir(parents=True, exist_ok=True)
        all_keys = {"max_steps": STEPS, "num_epochs": 50, "batch_size": 4, "pred_batch_size": 5, **_DROPOUT, **SMOOTH}
        predicts = name in ("cls", "seq_label", "mrc", "choice", "embed", "embed_pairs, in-batch negatives")
        own = {task: {"pred_file": each["train_file"], **each} for task, each in tasks(place).items()}
        config = tiny.config(place, own if predicts else tasks(place), **{**all_keys, **keys})
        cases.append(Case(name, config, predicts=predicts))
    return [*cases, *special(folder)]


def special(folder: Path) -> list[Case]:
    """Those with a fault, and what begins with another size of batch."""
    found = []
    for name, keys, extra in (
        ("NaN on one rank", {"on_nan": "skip"}, {"not_finite": True}),
        (
            "NaN on one rank, joint",
            {"on_nan": "skip", **_JOINT, "gradient_accumulation_steps": 2},
            {"not_finite": True},
        ),
        ("NaN on one rank, UPGrad", {"on_nan": "skip", "weighting": "upgrad"}, {"not_finite": True}),
        ("NaN on one rank, GradNorm", {"on_nan": "skip", "weighting": "gradnorm"}, {"not_finite": True}),
        ("global_batch_size", {"global_batch_size": 6}, {}),
    ):
        place = folder / name.replace(" ", "_").replace(",", "")
        place.mkdir(parents=True, exist_ok=True)
        tasks = _with_a_word(place) if extra else _two()(place)
        all_keys = {"max_steps": 10, "num_epochs": 50, "batch_size": 4, **_DROPOUT, **SMOOTH}
        found.append(Case(name, tiny.config(place, tasks, **{**all_keys, **keys}), **extra))
    return found


def _with_a_word(folder: Path) -> dict[str, Keys]:
    """Two tasks, one of whose rows holds the word `not`."""
    rows = tiny.classification_rows(25, seed=1)
    rows[5][1] += " not"
    water = {"reader": "cls", "paradigm": "cls", "batch_size": 3}
    water["train_file"] = tiny.write_tsv(folder / "water.tsv", ["label", "text_a"], rows)
    return {"water": water, "slots": tiny.slot_task(folder, "slots")}


def stopped(folder: Path) -> list[Case]:
    """Runs that are stopped in their middle: one in an accumulation, one with the gradients of a method pending."""
    found = []
    for name, keys in (
        ("accumulation", {"gradient_accumulation_steps": 3}),
        ("method", {"weighting": "upgrad", "use_ema": True, "ema_decay": 0.8}),
        ("large", {"vocab_size": 4500, "gradient_accumulation_steps": 2}),
    ):
        place = folder / f"stopped_{name}"
        place.mkdir(parents=True, exist_ok=True)
        all_keys = {"max_steps": 10, "num_epochs": 50, "batch_size": 4, **_DROPOUT, **SMOOTH}
        found.append(Case(f"stopped: {name}", tiny.config(place, _two()(place), **{**all_keys, **keys}), stop_after=5))
    return found
