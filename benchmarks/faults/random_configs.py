"""Random configurations of small multi-task runs: tasks, sampler, weighting, sharing, mode, precision, stages."""

from pathlib import Path
from random import Random
from typing import Any

import yaml

from palm.balancing.gradients.base import GRADIENT_METHODS
from palm.balancing.sampling import SAMPLERS
from palm.balancing.weighting import WEIGHTINGS
from palm.engine.optim import OPTIMIZERS
from palm.engine.optim.schedules import SCHEDULES
from tests.integration import tiny

KINDS = ("cls", "match", "slots", "mlm", "mrc")
SHARING = ("hard", "adapter", "lora", "private", "private_layers", "soft")
ENCODER = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
# From 4096 rows on the optimizer treats an embedding as a table of which most rows have no gradient.
LARGE_VOCABULARY, SMALL_VOCABULARY = 4500, 90

Keys = dict[str, Any]


def write_random_config(folder: Path, *, seed: int, number: int, attempt: int) -> Path:
    """Write configuration `number` of `seed`, with its data; the next `attempt` is another one in its place.

    Not every combination of keys is a valid configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chance = Random(f"{seed} {number} {attempt}")
    tasks = dict(_task(folder, chance, f"t{place}") for place in range(chance.randint(2, 4)))
    targets = [name for name, keys in tasks.items() if keys["target"]]
    if not targets:
        targets = [next(iter(tasks))]
        tasks[targets[0]]["target"] = True
    config = tiny.config(folder, tasks, **_run(chance, tasks, targets))
    if chance.random() < 0.2:
        config["stages"] = _stages(chance, list(tasks))
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return file


def _task(folder: Path, chance: Random, name: str) -> tuple[str, Keys]:
    kind = chance.choice(KINDS)
    keys = _data(folder, kind, name) | {
        "mix_ratio": chance.choice([0.3, 0.5, 1.0, 2.0]),
        "target": chance.random() < 0.75,
        "batch_size": chance.choice([2, 4, 8]),
        "loss_weight": chance.choice([1.0, 1.0, 0.3, 2.0, 1e-16]),
    }
    keys |= _sometimes(
        chance,
        0.2,
        sharing=chance.choice(SHARING),
        shuffle=False,
        drop_last=False,
        group_by_length=False,
        max_tokens=chance.choice([60, 120]),
        lr_scale=chance.choice([0.1, 3.0]),
        rdrop_alpha=1.0,
        smart_weight=1.0,
        layers="mix",
        dropout_prob=chance.choice([0.0, 0.4]),
        random_seed=chance.randint(0, 99),
    )
    if kind in ("cls", "match"):
        keys |= _sometimes(chance, 0.3, head="mlp", pooling=chance.choice(["mean", "max", "attention"]))
    if kind == "slots":
        keys |= _sometimes(chance, 0.5, head=chance.choice(["mlp", "bilstm", "crf", "bilstm_crf"]))
    if keys["target"] and kind != "mrc":
        keys |= _sometimes(chance, 0.2, early_stopping_patience=chance.choice([1, 2]))
    return name, keys


def _data(folder: Path, kind: str, name: str) -> Keys:
    make = {
        "cls": tiny.classification_task,
        "match": tiny.match_task,
        "slots": tiny.slot_task,
        "mlm": tiny.mlm_task,
        "mrc": tiny.mrc_task,
    }
    keys = make[kind](folder, name)
    if kind == "mlm":
        masked = [
            [text.replace("fish", "[MASK]")] for _, text in tiny.classification_rows(40, seed=3) if "fish" in text
        ]
        keys["pred_file"] = tiny.write_tsv(folder / f"{name}.masked.tsv", ["text_a"], masked)
    return {**keys, "dev_file": keys.get("dev_file", keys["train_file"])}


def _run(chance: Random, tasks: Keys, targets: list[str]) -> Keys:
    averages = [{}, {}, {"use_ema": True, "ema_decay": 0.9}, {"weight_average": "swa", "swa_start": 0.4}]
    small = chance.random() < 0.4
    keys: Keys = {
        **ENCODER,
        "vocab_size": SMALL_VOCABULARY if small else LARGE_VOCABULARY,
        "num_epochs": 9,
        "max_steps": chance.randint(6, 16),
        "random_seed": chance.randint(0, 999),
        "save_every_n_steps": chance.choice([1, 1, 2, 3]),
        "keep_checkpoints": chance.choice([1, 3]),
        "learning_rate": chance.choice([5e-3, 1e-3]),
        "sampling": chance.choice(list(SAMPLERS)),
        "weighting": chance.choice([*WEIGHTINGS, *GRADIENT_METHODS]),
        "gradient_accumulation_steps": chance.choice([1, 1, 2, 3]),
        "amp": chance.choice(["off", "off", "bf16"]),
        "on_nan": chance.choice(["abort", "skip", "rollback"]),
        **chance.choice(averages),
    }
    if chance.random() < 0.35:
        keys |= {"mode": "joint", "sampling": "mix_ratio"}
    keys |= _sometimes(
        chance,
        0.25,
        weight_decay=0.1,
        max_grad_norm=0,
        lr_scheduler=chance.choice(list(SCHEDULES)),
        optimizer=chance.choice(list(OPTIMIZERS)),
        warmup_proportion=0.3,
        layer_lr_decay=0.8,
        freeze_layers=1,
        unfreeze_every_n_steps=2,
        adversarial_epsilon=0.3,
        leave_mix_when_finished=True,
        log_gradient_cosines_every_n_steps=3,
        eval_every_n_steps=chance.choice([2, 3]),
        recompute=True,
        kernels="plain",
        num_epochs=chance.choice([0.5, 1]),
        selection={chance.choice(targets): 1.0},
        sampling_by="metric",
        weighting_by="metric",
    )
    if keys["sampling"] != "adaptive":
        keys.pop("sampling_by", None)
    if keys["weighting"] != "dtp":
        keys.pop("weighting_by", None)
    if "selection" in keys:
        keys |= _sometimes(chance, 0.5, selection_patience=chance.choice([1, 2]))
    return keys


def _stages(chance: Random, names: list[str]) -> Keys:
    first = chance.sample(names, chance.randint(1, len(names)))
    second = chance.sample(names, chance.randint(1, len(names)))
    return {
        "first": {"task_instance": first, "max_steps": chance.randint(3, 7)},
        "second": {"task_instance": second, "max_steps": chance.randint(3, 7)},
    }


def _sometimes(chance: Random, probability: float, **keys: object) -> Keys:
    """Each of `keys` with this probability."""
    return {key: value for key, value in keys.items() if chance.random() < probability}
