"""The keys of training and of its tasks that do not belong to a component."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from palm.schema.facts import ON, Key, KeyFacts, when
from palm.schema.fields import (
    DevFile,
    Float,
    Int,
    Names,
    OptionalFolder,
    Precision,
    PredictData,
    Schema,
    Seed,
    TrainData,
    TrainPath,
    Weights,
    minus_one_is_none,
    percentage,
)
from palm.schema.reporting import ReportingFields


def lower(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`Adam` → `adam`."""
    return value.lower() if isinstance(value, str) else value


class TrainSettings(ReportingFields):
    """Global keys of the training engine."""

    key_facts = KeyFacts(scope="stage")

    num_epochs: Annotated[Float, Key(with_tasks=3)] = Field(
        1, gt=0, description="Passes over the main task's training file."
    )
    max_steps: Annotated[Int | None, BeforeValidator(minus_one_is_none)] = Field(
        None,
        ge=1,
        description="Stop after this many global steps, regardless of num_epochs; targets are then exported.",
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
    freeze_embeddings: bool = Field(False, description="Do not train the embeddings.")
    freeze_layers: Int = Field(
        0, ge=0, description="Do not train this number of encoder layers, counted from the lowest."
    )
    unfreeze_every_n_steps: Int = Field(
        -1,
        ge=-1,
        description="Gradual unfreezing: train only the heads for n global steps, then one more encoder layer every n "
        "steps, starting with the last; -1 is off.",
    )
    adversarial_epsilon: Float = Field(
        0.0,
        ge=0,
        description="Train on each batch a second time with the word embeddings perturbed by this norm in the "
        "direction of increasing loss (FGM); 0 is off.",
    )
    mode: Annotated[
        Literal["alternating", "joint"], BeforeValidator(lower), Key(read=(when(further_tasks=ON),), alone="default")
    ] = Field(
        "alternating",
        description="`alternating`: a step trains one task on one batch. `joint`: a step trains one batch of every "
        "task with a mix_ratio above 0, on the sum of their losses; num_epochs counts epochs of the main task.",
    )
    sampling: Annotated[str, Key(read=(when(further_tasks=ON),), alone="default")] = Field(
        "mix_ratio",
        description="How the task of each step is sampled: `mix_ratio` (by mix_ratio), `exact` (every batch of every "
        "task once per epoch, shuffled), `proportional` (by the sizes of the training files), `temperature`, "
        "`annealed` or `adaptive` (more of the tasks with more to learn). With all except the first, num_epochs "
        "counts passes over the whole mix, and mix_ratio scales the size of a task.",
    )
    weighting: Annotated[str, Key(read=(when(further_tasks=ON),), alone="default")] = Field(
        "fixed",
        description="Weights of the tasks' losses in addition to loss_weight: `fixed` (none), `dwa` (more for tasks "
        "whose losses decrease slowest between their epochs), `uncertainty` (learned, less for noisy tasks), `dtp` "
        "(more for difficult tasks) or `gradnorm` (learned, gradient norms according to each task's progress). Or the "
        "method that combines the tasks' gradients on the shared encoder: `mgda`, `pcgrad`, `cagrad`, `upgrad`, "
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
        description="Fraction of the expected global steps after which `weight_average: swa` starts; until then the "
        "current weights are evaluated and exported.",
    )
    random_seed: Seed = Field(1, ge=0, description="Random seed; a task's own seed determines its shuffling and masks.")
    use_gpu: bool = Field(True, description="Use the GPU if available; otherwise the CPU, with one warning.")
    amp: Annotated[Literal["auto", "off", "bf16", "fp16"], BeforeValidator(lower)] = Field(
        "auto",
        description="`bf16`: products in bfloat16, weights in float32. On a GPU, or on a CPU with AVX512-BF16 or AMX "
        "by the fused kernels; elsewhere everything stays float32, with a warning. `fp16`: on a GPU, products in "
        "float16, with a scaled loss; evaluated and exported in float32. `auto`: as `bf16` on a CPU with "
        "AMX, where it is fastest, else `off`, also on a GPU; a resumed run continues as it was started.",
    )
    print_every_n_steps: Annotated[Int, Key(changes="nothing")] = Field(
        5, ge=1, description="Global steps between log lines."
    )
    log_gradient_cosines_every_n_steps: Annotated[
        Int, Key(changes="metrics", resume="nothing", read=(when(further_tasks=ON),), alone="default")
    ] = Field(
        -1,
        ge=-1,
        description="Global steps between measurements of the cosines between the tasks' gradients on the shared "
        "encoder, with one batch per task; -1 is off. Training is not affected.",
    )
    save_every_n_steps: Annotated[Int, Key(resume="nothing")] = Field(
        -1, ge=-1, description="Global steps between checkpoints; -1 is off."
    )
    eval_every_n_steps: Annotated[Int, Key(changes="metrics", read=(when(dev_file=ON),))] = Field(
        -1,
        ge=-1,
        description="Global steps between evaluations on dev_file; -1: only at epoch ends; 0: each target only when "
        "it is exported, so that no other key may depend on its metrics.",
    )
    eval_at_epoch_ends: Annotated[bool, Key(changes="metrics", read=(when(eval_every_n_steps=ON),))] = Field(
        True, description="`eval_every_n_steps`: evaluate at epoch ends as well, which are near where files are small."
    )
    export: Annotated[
        Literal["best", "last"],
        BeforeValidator(lower),
        Key(by_metrics=True, read=(when(dev_file=ON, always=("last",)),), with_tasks="best"),
    ] = Field(
        "last",
        description="The inference model of a target with a dev_file: that of its `best` evaluation, by its main "
        "metric or the one that `selection` or metric_for_best_model names; or that of its `last` step, as without a "
        "dev_file.",
    )
    keep_checkpoints: Annotated[
        Int, Key(changes="nothing", read=(when(save_every_n_steps=ON, selection=ON, metric_for_best_model=ON),))
    ] = Field(3, ge=1, description="Number of newest checkpoints to keep, in addition to the best ones.")
    metric_for_best_model: Annotated[str | None, Key(changes="metrics", by_metrics=True, alone="default")] = Field(
        None,
        description="Metric of dev_file, such as `accuracy`, `loss` or `intent.accuracy`: the checkpoint with the "
        "best value is kept, and each target's best model is exported to best_infer_model.",
    )
    selection: Annotated[Weights | None, Key(changes="metrics", by_metrics=True, alone="default")] = Field(
        None,
        description="Metrics of dev_file and their weights that determine the best step of the run, such as "
        "`{intent.accuracy: 1.0, slots: 0.5}` (a task's name stands for its main metric), instead of "
        "metric_for_best_model. Lower is better for a loss, and for a metric with a negative weight.",
    )
    selection_patience: Annotated[Int | None, Key(alone="default")] = Field(
        None,
        ge=1,
        description="End the run after this number of evaluations in a row without improvement of `selection` or "
        "metric_for_best_model; off by default.",
    )
    selection_min_delta: Annotated[Float, Key(read=(when(selection_patience=ON),))] = Field(
        0.0, ge=0, description="Smallest improvement that counts for selection_patience (exclusive)."
    )
    leave_mix_when_finished: Annotated[bool, Key(read=(when(further_tasks=ON),))] = Field(
        False, description="Retire a target once it is finished; by default it stays in the mix to the end."
    )
    on_nan: Annotated[Literal["abort", "skip", "rollback"], Key(resume="nothing")] = Field(
        "abort",
        description="A loss or gradient that is NaN or Inf: `abort` training, `skip` the batch, or also restore the "
        "weights of the newest checkpoint (`rollback`). The model is never updated with it.",
    )
    resume: Annotated[Literal["auto", "never"], Key(scope="run", changes="nothing")] = Field(
        "never", description="`auto` continues from the newest valid checkpoint in save_path; `never` starts a new run."
    )
    allow_changed_data: Annotated[bool, Key(scope="run", changes="nothing", resume="nothing")] = Field(
        False,
        description="Resume also where training rows differ from those that the checkpoint was trained on. Other label "
        "names or another vocabulary are refused in any case.",
    )

    @model_validator(mode="after")
    def _check_adversary(self) -> "TrainSettings":
        if self.adversarial_epsilon and self.freeze_embeddings:
            raise ValueError("adversarial_epsilon needs a gradient of the embeddings, which freeze_embeddings prevents")
        return self

    @model_validator(mode="after")
    def _check_average(self) -> "TrainSettings":
        if self.use_ema and self.weight_average == "swa":
            raise ValueError("use_ema means weight_average: ema, found `swa`; remove one of the two keys")
        return self

    @model_validator(mode="after")
    def _check_mode(self) -> "TrainSettings":
        if self.mode == "joint" and self.sampling != type(self).model_fields["sampling"].default:
            raise ValueError("sampling chooses the task of a step, and a step of mode: joint trains every task")
        return self

    @model_validator(mode="after")
    def _check_selection(self) -> "TrainSettings":
        if self.selection is not None and self.metric_for_best_model is not None:
            raise ValueError("selection and metric_for_best_model both determine the best step: set only one of them")
        if self.selection_patience is not None and self.selection is None and self.metric_for_best_model is None:
            raise ValueError("selection_patience needs a metric: set `selection`")
        return self

    @model_validator(mode="after")
    def _check_rollback(self) -> "TrainSettings":
        if self.on_nan == "rollback" and self.save_every_n_steps < 1:
            raise ValueError("on_nan: rollback restores a checkpoint, so save_every_n_steps must be above 0")
        return self


_BY_BATCH_SIZE = when(max_tokens=None)
_OWN_ROWS = when(share_rows_with=None)
_TARGET = when(target=True)
_MAY_BE_INT8 = when(precision=("auto", "int8"))


class TaskSettings(Schema):
    """Keys of a task instance that belong to neither its reader nor its paradigm."""

    key_facts = KeyFacts(scope="task")

    reader: str = Field(description="Name of the reader: cls, match, mrc, mlm, seq_label, …")
    paradigm: str = Field(description="Name of the paradigm: cls, match, mrc, mlm, seq_label, …")
    train_file: Annotated[TrainData, Key(export="no")] = Field(
        None,
        description="Training data: a file, a folder of `Dataset.save_to_disk`, or a hub data set, "
        "`hf://name[/config]:split`; not needed for prediction.",
    )
    dev_file: Annotated[DevFile, Key(changes="metrics", export="no")] = Field(
        None,
        description="Data to evaluate on during training; or a percentage, `10%`: that part of train_file is not "
        "trained on but evaluated on, with each label in proportion. The rows depend on their content and on "
        "random_seed, and save_path/<task>/dev_rows.json names them.",
    )
    pred_file: Annotated[PredictData, Key(changes="nothing", export="no")] = Field(None, description="Data to predict.")
    pred_output_path: Annotated[str | None, Key(changes="nothing", export="no")] = Field(
        None, description="Folder for predictions; save_path/<task> by default."
    )
    inference_model_dir: Annotated[OptionalFolder, Key(changes="nothing", export="no")] = Field(
        None, description="Inference model for prediction; save_path/<task>/infer_model by default."
    )
    random_seed: Seed = Field(1, ge=0, description="Random seed; a task's own seed determines its shuffling and masks.")
    batch_size: Int = Field(32, ge=1, description="Examples per training step, of each process of a run.")
    global_batch_size: Int | None = Field(
        None, ge=1, description="Instead of batch_size: examples per training step, of all processes together."
    )
    pred_batch_size: Annotated[Int | None, Key(changes="metrics", resume="nothing")] = Field(
        None, ge=1, description="Examples per batch in prediction; batch_size by default."
    )
    precision: Annotated[Precision, BeforeValidator(lower), Key(changes="nothing", export="no")] = Field(
        "auto",
        description="What an exported model predicts in: `auto` (as it was trained, by `amp`; of a model trained in "
        "bf16, batches so small that float32 is faster on this machine are predicted in float32), `float32`, `bf16`, "
        "or `int8` (the encoder's weights in 8-bit integers). `auto` takes int8 where `palm eval --precision int8` has "
        "measured on this kind of CPU that it is faster and costs at most `max_drop`.",
    )
    max_drop: Annotated[Float, Key(changes="nothing", export="no", read=(_MAY_BE_INT8,))] = Field(
        0.3,
        ge=0,
        le=100,
        description="Points (hundredths) of the task's main metric on dev rows that int8 may cost: `precision: int8` "
        "refuses a model that loses more, and `auto` does not take int8 for it.",
    )
    allow_unmeasured: Annotated[bool, Key(changes="nothing", export="no", read=(when(precision="int8"),))] = Field(
        False, description="Predict in int8 also where `palm eval --precision int8` has not measured what it costs."
    )
    shuffle: Annotated[bool, Key(read=(_OWN_ROWS,))] = Field(
        True, description="Shuffle the training examples in every epoch."
    )
    drop_last: Annotated[bool, Key(read=(_BY_BATCH_SIZE, _OWN_ROWS))] = Field(
        True, description="Drop the last, incomplete batch of an epoch."
    )
    group_by_length: Annotated[bool, Key(read=(when(shuffle=True, always=(False,)), _BY_BATCH_SIZE, _OWN_ROWS))] = (
        Field(
            True,
            description="When shuffling, put examples of similar length into one batch: less padding, faster steps.",
        )
    )
    max_tokens: Annotated[Int | None, Key(read=(_OWN_ROWS,))] = Field(
        None,
        ge=1,
        description="Instead of batch_size: largest number of tokens in a training batch, of each process, including "
        "padding (except between candidates of `choice`).",
    )
    print_first_n: Annotated[Int, Key(changes="nothing")] = Field(
        0, ge=0, description="Print the first n examples and their tokens."
    )
    max_unk_fraction: Annotated[Float, Key(changes="nothing", export="no")] = Field(
        0.2,
        ge=0,
        le=1,
        description="Largest fraction of [UNK] among the tokens of train_file or dev_file, without special tokens; "
        "above it the run is refused, and from 0.02 on there is a warning. 1 allows any.",
    )
    save_infermodel_every_n_steps: Annotated[Int, Key(changes="nothing")] = Field(
        -1,
        ge=-1,
        description="Steps of the task between inference models in save_path/<task>/infer_model.step<N>, for a target; "
        "-1 is off: the last one, and the best one where it is asked for.",
    )
    vocab_path: Annotated[TrainPath, Key(scope="run", export="no")] = Field(
        None,
        description="Tokenizer: a tokenizer.json, a vocab.txt with one token per line, or an spm.model; by default the "
        "one next to the pre-trained weights.",
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
        description="With `mode: joint`, name of another task with the same texts: rows with the same text are "
        "encoded once for both. This task then uses the other's epochs and batches.",
    )
    loss_weight: Annotated[Float, Key(alone="default")] = Field(1.0, ge=0, description="Factor of this task's loss.")
    lr_scale: Float | None = Field(None, gt=0, description="Factor of its head's learning rate (1; of `parse` 10).")
    rdrop_alpha: Float = Field(
        0.0,
        ge=0,
        description="R-Drop: run each training batch twice, and add the divergence of the two outputs times this "
        "weight to the mean of their losses; 0 is off.",
    )
    use_rdrop: bool = Field(
        False,
        description="R-Drop as PaddleNLP's trainer of prompts has it: as rdrop_alpha, but alpha_rdrop times the "
        "divergence summed over the examples of a batch.",
    )
    alpha_rdrop: Annotated[Float, Key(read=(when(use_rdrop=True),))] = Field(
        5.0, ge=0, description="`use_rdrop`: weight of the sum of the divergences; with 0, R-Drop is off."
    )
    soft_sharing_weight: Annotated[Float, Key(read=(when(sharing="soft"),))] = Field(
        0.01,
        ge=0,
        description="`sharing: soft`: factor of the squared L2 distance between this task's layers and those of the "
        "others, added to its loss.",
    )
    smart_weight: Float = Field(
        0.0,
        ge=0,
        description="SMART: add the distance between the outputs and those under adversarial perturbation of the word "
        "embeddings, times this weight; not for `mlm` and CRF heads; 0 is off.",
    )
    smart_epsilon: Annotated[Float, Key(read=(when(smart_weight=ON),))] = Field(
        0.01, gt=0, description="`smart_weight`: largest perturbation of each coordinate of a word embedding."
    )
    layer: Annotated[Int, Key(read=(when(layers=(["last"],)),), export="fixed")] = Field(
        -1, description="Encoder layer that feeds the head: 0 is the first, -1 the last."
    )
    metrics: Annotated[Names | None, Key(changes="metrics")] = Field(
        None,
        description="Metrics for dev_file; by default those of the paradigm. The first value of the first one is the "
        "task's main metric.",
    )
    early_stopping_patience: Annotated[Int | None, Key(read=(_TARGET,), by_metrics=True, alone="default")] = Field(
        None,
        ge=1,
        description="A target is finished after this number of evaluations in a row without improvement, and is "
        "exported from the best one, regardless of its expected steps; off by default.",
    )
    early_stopping_min_delta: Annotated[Float, Key(read=(_TARGET, when(early_stopping_patience=ON)))] = Field(
        0.0, ge=0, description="Smallest improvement that counts for early_stopping_patience (exclusive)."
    )

    @property
    def rdrop_sum_alpha(self) -> float:
        """Weight of the sum of R-Drop's divergences over a batch; 0 is off."""
        return self.alpha_rdrop if self.use_rdrop else 0.0

    @model_validator(mode="after")
    def _check_rdrop(self) -> "TaskSettings":
        if self.use_rdrop and self.rdrop_alpha:
            raise ValueError(
                "rdrop_alpha weights the mean of R-Drop's divergences over a batch, use_rdrop their sum; found both: "
                "remove one of the two keys"
            )
        return self

    @property
    def dev_fraction(self) -> float | None:
        """The fraction of train_file that dev_file stands for; None if it is a file or unset."""
        return percentage(self.dev_file)
