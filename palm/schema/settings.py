"""The keys that belong to a run rather than to a component: what to train, how, and what a task instance may say."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from palm.schema.facts import ON, Key, KeyFacts, when
from palm.schema.fields import (
    Flags,
    Float,
    Int,
    Names,
    Numbers,
    OptionalFolder,
    PredictPath,
    Schema,
    Seed,
    TrainFolder,
    TrainPath,
    Weights,
)


def lower(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`Adam` → `adam`."""
    return value.lower() if isinstance(value, str) else value


def minus_one_is_none(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`-1` → None: Hugging Face's way to say "no limit"."""
    return None if value in (-1, "-1") else value


class RunSettings(Schema):
    """Global keys that say which tasks there are, on which backbone, and where things are kept."""

    key_facts = KeyFacts(scope="run")

    task_instance: Annotated[Names, Key(scope="stage")] = Field(
        default_factory=list, description="Names of the task instances, in order; the first target is the main task."
    )
    backbone: str = Field("bert", description="Name of the backbone: `bert` or `ernie`.")
    backbone_config_path: TrainPath = Field(None, description="JSON file with the backbone's sizes.")
    pretrain_model_path: Annotated[TrainFolder, Key(resume="nothing")] = Field(
        None, description="Pre-trained weights: Hugging Face folder, .pdparams, or Paddle 1.x params folder."
    )
    vocab_path: Annotated[TrainPath, Key(export="no")] = Field(
        None, description="Vocabulary, one word-piece a line; by default vocab.txt beside the pre-trained weights."
    )
    save_path: Annotated[str, Key(changes="nothing")] = Field(
        "output_model", description="Folder for checkpoints, inference models, metrics and logs."
    )
    imports: Names = Field(
        default_factory=list,
        description="Modules or .py files of your own, imported first for the components that they register.",
    )


class TaskLists(Schema):
    """Global lists of PaddlePALM 0.2.1, one element a task; they become `TaskSettings` of each task.

    `mix_ratio` is the one key with two types: a list here, and the number of a single task in `TaskSettings`.
    """

    key_facts = KeyFacts(scope="stage")

    mix_ratio: Numbers | None = Field(None, description="Sampling weight of each task; 1.0 each when unset.")
    target_tag: Flags | None = Field(
        None, description="1 for a target task, 0 for an auxiliary one; all targets when unset."
    )
    task_reuse_tag: Names | None = Field(None, description="Tasks with equal tags share a head; no sharing when unset.")


class TrainSettings(Schema):
    """Global keys of the training engine."""

    key_facts = KeyFacts(scope="stage")

    num_epochs: Float = Field(1, gt=0, description="Passes over the main task's training file.")
    max_steps: Annotated[Int | None, BeforeValidator(minus_one_is_none)] = Field(
        None,
        ge=1,
        description="Stop after this many global steps whatever num_epochs says; targets are exported there.",
    )
    optimizer: Annotated[str, BeforeValidator(lower)] = Field(
        "adam", description="`adam` or `adamw`: the same update, weight decay decoupled from the gradient."
    )
    learning_rate: Float = Field(5e-5, gt=0, description="Highest learning rate, reached after the warm-up.")
    lr_scheduler: Annotated[str, BeforeValidator(lower)] = Field(
        "linear",
        description="`linear` (warm-up, then decay to 0; also `linear_warmup_decay`), `constant` (warm-up, then "
        "constant) or `noam_decay` (warm-up, then decay with the inverse square root of the step).",
    )
    freeze_embeddings: bool = Field(False, description="Keep the embeddings as they are.")
    freeze_layers: Int = Field(0, ge=0, description="Keep this many encoder layers, from the lowest, as they are.")
    unfreeze_every_n_steps: Int = Field(
        -1,
        ge=-1,
        description="Gradual unfreezing: train the heads alone for n global steps, then one encoder layer more every n "
        "steps, from the last; -1 is off.",
    )
    adversarial_epsilon: Float = Field(
        0.0,
        ge=0,
        description="Train on each batch a second time with the word embeddings moved by this length to where the loss "
        "grows (FGM); 0 is off.",
    )
    mode: Annotated[
        Literal["alternating", "joint"], BeforeValidator(lower), Key(read=(when(further_tasks=ON),), alone="default")
    ] = Field(
        "alternating",
        description="`alternating`: a step trains one task on one batch. `joint`: a step trains one batch of every "
        "task with a mix_ratio above 0, by the sum of their losses; num_epochs counts epochs of the main task.",
    )
    sampling: Annotated[str, Key(read=(when(further_tasks=ON),), alone="default")] = Field(
        "mix_ratio",
        description="How the task of each step is chosen: `mix_ratio` (drawn by mix_ratio), `exact` (every batch of "
        "every task once an epoch, shuffled), `proportional` (drawn by the sizes of the training files), "
        "`temperature`, `annealed` or `adaptive` (more of the tasks that have more to learn). With all but the first, "
        "num_epochs counts passes over the whole mix, and mix_ratio scales the size of a task.",
    )
    weighting: Annotated[str, Key(read=(when(further_tasks=ON),), alone="default")] = Field(
        "fixed",
        description="What multiplies the tasks' losses beside loss_weight: `fixed` (nothing), `dwa` (more weight for "
        "the tasks whose losses fall slowest from one of their epochs to the next), `uncertainty` (less for those "
        "that stay noisy, learned), `dtp` (more for those that are worst done) or `gradnorm` (gradients as long as "
        "each task's progress asks, learned). "
        "Or what makes one gradient of the shared encoder out of the tasks': `mgda`, `pcgrad`, `cagrad`, `upgrad`, "
        "`nash_mtl`; an update then waits for gradient_accumulation_steps batches of every task with a mix_ratio "
        "above 0.",
    )
    gradient_accumulation_steps: Int = Field(1, ge=1, description="Steps whose gradients are averaged into one update.")
    use_ema: bool = Field(False, description="Evaluate and export an exponential moving average of the weights.")
    ema_decay: Annotated[Float, Key(read=(when(weight_average="ema", use_ema=True),))] = Field(
        0.0, ge=0, lt=1, description="Decay of that average per update; with 0 it is the latest weights."
    )
    weight_average: Annotated[Literal["off", "ema", "swa"], BeforeValidator(lower)] = Field(
        "off",
        description="Average of the weights to evaluate and export: `ema` (as use_ema) or `swa`, the plain mean of the "
        "weights after each update from swa_start on.",
    )
    swa_start: Annotated[Float, Key(read=(when(weight_average="swa"),))] = Field(
        0.75,
        ge=0,
        lt=1,
        description="Share of the expected global steps after which `weight_average: swa` begins; until then the "
        "weights themselves are evaluated and exported.",
    )
    random_seed: Seed = Field(
        1, ge=0, description="Seed of everything random; a task's own seed draws its shuffling and masks."
    )
    use_gpu: bool = Field(True, description="Use the GPU where there is one; falls back to the CPU with one warning.")
    amp: Annotated[Literal["off", "bf16"], BeforeValidator(lower)] = Field(
        "off",
        description="`bf16`: products in bfloat16, weights in float32. On a GPU, or on a CPU with AVX512-BF16 or AMX "
        "by the fused kernels; elsewhere everything stays float32, and a warning says so.",
    )
    print_every_n_steps: Annotated[Int, Key(changes="nothing")] = Field(
        5, ge=1, description="Global steps between log lines."
    )
    log_gradient_cosines_every_n_steps: Annotated[
        Int, Key(changes="metrics", resume="nothing", read=(when(further_tasks=ON),), alone="default")
    ] = Field(
        -1,
        ge=-1,
        description="Global steps between looks at how far the tasks pull the shared encoder the same way: the cosine "
        "between their gradients, of one batch a task; -1 is off. Training stays the same to the last bit.",
    )
    save_every_n_steps: Annotated[Int, Key(resume="nothing")] = Field(
        -1, ge=-1, description="Global steps between checkpoints; -1 is off."
    )
    eval_every_n_steps: Annotated[Int, Key(changes="metrics", read=(when(dev_file=ON),))] = Field(
        -1,
        ge=-1,
        description="Global steps between evaluations on dev_file; -1: only at epoch ends; 0: each target only when "
        "it is exported, so nothing may wait for its figures or follow them.",
    )
    keep_checkpoints: Annotated[
        Int, Key(changes="nothing", read=(when(save_every_n_steps=ON, selection=ON, metric_for_best_model=ON),))
    ] = Field(3, ge=1, description="How many of the newest checkpoints stay on disk; the best ones stay besides.")
    metric_for_best_model: Annotated[str | None, Key(changes="metrics", by_metrics=True, alone="default")] = Field(
        None,
        description="Figure of dev_file, such as `accuracy`, `loss` or `intent.accuracy`: the checkpoint with the best "
        "one is kept, and each target's best model is exported to best_infer_model.",
    )
    selection: Annotated[Weights | None, Key(changes="metrics", by_metrics=True, alone="default")] = Field(
        None,
        description="What the best step of the run is chosen by: figures of dev_file and their weights, such as "
        "`{intent.accuracy: 1.0, slots: 0.5}` (a task's name alone is its main figure), in place of "
        "metric_for_best_model. A loss, or a figure with a negative weight, is the better the lower it is.",
    )
    selection_patience: Annotated[Int | None, Key(alone="default")] = Field(
        None,
        ge=1,
        description="End the run after this many evaluations in a row in which `selection`, or metric_for_best_model, "
        "has not improved; unset is off.",
    )
    selection_min_delta: Annotated[Float, Key(read=(when(selection_patience=ON),))] = Field(
        0.0, ge=0, description="What counts as an improvement for selection_patience: more than this."
    )
    leave_mix_when_finished: Annotated[bool, Key(read=(when(further_tasks=ON),))] = Field(
        False, description="Train a target no further once it is finished; by default it stays in the mix to the end."
    )
    on_nan: Annotated[Literal["abort", "skip", "rollback"], Key(resume="nothing")] = Field(
        "abort",
        description="A loss or gradient that is NaN or Inf: `abort` training, `skip` the batch, or also go back to the "
        "weights of the newest checkpoint (`rollback`). The model is never updated with it.",
    )
    resume: Annotated[Literal["auto", "never"], Key(scope="run", changes="nothing")] = Field(
        "never", description="`auto` continues from the newest good checkpoint in save_path; `never` starts anew."
    )
    allow_changed_data: Annotated[bool, Key(scope="run", changes="nothing", resume="nothing")] = Field(
        False,
        description="Resume also where training rows differ from those that the checkpoint was trained on. Other label "
        "names or another vocabulary are refused in any case.",
    )

    @model_validator(mode="after")
    def _check_adversary(self) -> "TrainSettings":
        if self.adversarial_epsilon and self.freeze_embeddings:
            raise ValueError(
                "adversarial_epsilon follows the gradient of the embeddings, freeze_embeddings leaves none"
            )
        return self

    @model_validator(mode="after")
    def _check_average(self) -> "TrainSettings":
        if self.use_ema and self.weight_average == "swa":
            raise ValueError("use_ema is weight_average: ema, found `swa`; leave one of the two keys out")
        return self

    @model_validator(mode="after")
    def _check_mode(self) -> "TrainSettings":
        if self.mode == "joint" and self.sampling != type(self).model_fields["sampling"].default:
            raise ValueError("sampling chooses the task of a step, and a step of mode: joint trains every task")
        return self

    @model_validator(mode="after")
    def _check_selection(self) -> "TrainSettings":
        if self.selection is not None and self.metric_for_best_model is not None:
            raise ValueError("selection and metric_for_best_model both say which step is the best: give one of them")
        if self.selection_patience is not None and self.selection is None and self.metric_for_best_model is None:
            raise ValueError("selection_patience waits for a better figure: say which, with `selection`")
        return self

    @model_validator(mode="after")
    def _check_rollback(self) -> "TrainSettings":
        if self.on_nan == "rollback" and self.save_every_n_steps < 1:
            raise ValueError("on_nan: rollback goes back to a checkpoint, so save_every_n_steps is above 0")
        return self


_BY_BATCH_SIZE = when(max_tokens=None)
_OWN_ROWS = when(share_rows_with=None)
_TARGET = when(target=True)


class TaskSettings(Schema):
    """Keys of one task instance that neither its reader nor its paradigm takes."""

    key_facts = KeyFacts(scope="task")

    reader: str = Field(description="Name of the reader: cls, match, mrc, mlm, seq_label, …")
    paradigm: str = Field(description="Name of the paradigm: cls, match, mrc, mlm, seq_label, …")
    train_file: Annotated[TrainPath, Key(export="no")] = Field(
        None, description="Training data; may be left out when only predicting."
    )
    dev_file: Annotated[TrainPath, Key(changes="metrics", export="no")] = Field(
        None, description="Data to evaluate on during training."
    )
    pred_file: Annotated[PredictPath, Key(changes="nothing", export="no")] = Field(None, description="Data to predict.")
    pred_output_path: Annotated[str | None, Key(changes="nothing", export="no")] = Field(
        None, description="Folder for predictions; save_path/<task> when unset."
    )
    inference_model_dir: Annotated[OptionalFolder, Key(changes="nothing", export="no")] = Field(
        None, description="Inference model to predict with; save_path/<task>/infer_model when unset."
    )
    random_seed: Seed = Field(
        1, ge=0, description="Seed of everything random; a task's own seed draws its shuffling and masks."
    )
    batch_size: Int = Field(32, ge=1, description="Examples a training step.")
    pred_batch_size: Annotated[Int | None, Key(changes="metrics", resume="nothing")] = Field(
        None, ge=1, description="Examples a batch when predicting; batch_size when unset."
    )
    shuffle: Annotated[bool, Key(read=(_OWN_ROWS,))] = Field(
        True, description="Shuffle the training examples anew every epoch."
    )
    drop_last: Annotated[bool, Key(read=(_BY_BATCH_SIZE, _OWN_ROWS))] = Field(
        True, description="Leave out the last, incomplete batch of an epoch."
    )
    group_by_length: Annotated[bool, Key(read=(when(shuffle=True, always=(False,)), _BY_BATCH_SIZE, _OWN_ROWS))] = (
        Field(
            True, description="When shuffling, put examples of like length into one batch: less padding, faster steps."
        )
    )
    max_tokens: Annotated[Int | None, Key(read=(_OWN_ROWS,))] = Field(
        None,
        ge=1,
        description="Instead of batch_size: word-pieces a training batch may hold, padding included (save that among "
        "candidates of `choice`).",
    )
    print_first_n: Annotated[Int, Key(changes="nothing")] = Field(
        0, ge=0, description="Print the first n examples and what the reader made of them."
    )
    save_infermodel_every_n_steps: Annotated[Int, Key(changes="nothing")] = Field(
        -1,
        ge=-1,
        description="Steps of the task between inference models in save_path/<task>/infer_model.step<N>, for a target; "
        "-1 is off: the last one, and the best one where it is asked for.",
    )
    vocab_path: Annotated[TrainPath, Key(scope="run", export="no")] = Field(
        None, description="Vocabulary, one word-piece a line; by default vocab.txt beside the pre-trained weights."
    )
    mix_ratio: Annotated[Float, Key(read=(when(mode="alternating", always=(0,)),), alone="default")] = Field(
        1.0, ge=0, le=1e9, description="Sampling weight of this task."
    )
    target: Annotated[bool, Key(alone="default")] = Field(
        True, description="Whether the task is a target (exported) or an auxiliary one."
    )
    share_head_with: Annotated[str | None, Key(alone="default")] = Field(
        None, description="Name of another task whose head this one shares."
    )
    share_rows_with: Annotated[str | None, Key(alone="default")] = Field(
        None,
        description="With `mode: joint`, name of another task with the same texts: rows with the same text go through "
        "the encoder once for both. This task then follows the other's epochs and batches.",
    )
    loss_weight: Annotated[Float, Key(alone="default")] = Field(1.0, ge=0, description="Factor of this task's loss.")
    lr_scale: Float = Field(1.0, gt=0, description="Factor of the learning rate for this task's head.")
    rdrop_alpha: Float = Field(
        0.0,
        ge=0,
        description="R-Drop: run each training batch twice, and add this times the divergence of the two outputs to "
        "the mean of their losses; 0 is off.",
    )
    soft_sharing_weight: Annotated[Float, Key(read=(when(sharing="soft"),))] = Field(
        0.01,
        ge=0,
        description="`sharing: soft`: factor of the squared L2 distance between this task's layers and those of the "
        "others, which is added to its loss.",
    )
    smart_weight: Float = Field(
        0.0,
        ge=0,
        description="SMART: add this times the distance of the outputs from those with the word embeddings shifted to "
        "where it grows; not for `mlm` and CRF heads; 0 is off.",
    )
    smart_epsilon: Annotated[Float, Key(read=(when(smart_weight=ON),))] = Field(
        0.01, gt=0, description="`smart_weight`: how far each coordinate of a word embedding may be shifted."
    )
    layer: Annotated[Int, Key(read=(when(layers=(["last"],)),))] = Field(
        -1, description="Encoder layer that feeds the head: 0 is the first, -1 the last."
    )
    metrics: Annotated[Names | None, Key(changes="metrics")] = Field(
        None,
        description="Metrics for dev_file; the paradigm's own when unset. The first figure of the first one is the "
        "task's main figure.",
    )
    early_stopping_patience: Annotated[Int | None, Key(read=(_TARGET,), by_metrics=True, alone="default")] = Field(
        None,
        ge=1,
        description="A target is finished after this many evaluations in a row that were no better: exported from the "
        "best of them, whatever its expected steps are. Unset is off.",
    )
    early_stopping_min_delta: Annotated[Float, Key(read=(_TARGET, when(early_stopping_patience=ON)))] = Field(
        0.0, ge=0, description="What counts as better for early_stopping_patience: by more than this."
    )
