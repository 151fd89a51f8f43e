"""Keys of other programs that PALM does not have, each with what to write instead, or why there is none.

Those that mean the same as a key of PALM are aliases (`palm.schema.values.ALIASES`).
"""

from collections.abc import Mapping

FORMER_KEYS = {
    "do_predict": "`palm train` trains, `palm pred` predicts: remove it.",
    "do_train": "`palm train` trains, `palm pred` predicts: remove it.",
    "in_tokens": "Write `max_tokens: <subword tokens>` instead.",
    "is_first_target": "The first target in task_instance is the main task: list that task first.",
    "label_map_config": "The tags are those of train_file: remove it.",
    "remove_noanswer": "Write `on_bad_answer: drop` instead.",
    "reuse_head_with": "Write `share_head_with: <task>` instead.",
    "reuse_tag": "Write `task_reuse_tag` instead.",
    "shuffle_buffer": "All training examples are shuffled: remove it, or write `shuffle: false`.",
    "task_reuse_scope": "Write `share_head_with: <task>` instead, or `task_reuse_tag` in the global file.",
    "use_crf": "Write `head: crf` instead.",
    "verbose": "Remove it.",
    "with_slide_window": "A long context is always cut into windows, doc_stride apart: remove it.",
}
"""Key of PaddlePALM that nothing reads any more → what to write instead."""

_INSTEAD = {
    "batch_size_per_gpu": "batch_size",
    "data_seed": "random_seed",
    "dataloader_drop_last": "drop_last",
    "do_lower": "do_lower_case",
    "early_stopping": "early_stopping_patience",
    "encoder_name": "backbone",
    "epochs": "num_epochs",
    "eval_batch_size": "pred_batch_size",
    "eval_every": "eval_every_n_steps",
    "eval_file": "dev_file",
    "gradient_accumulation": "gradient_accumulation_steps",
    "grad_clip": "max_grad_norm",
    "hidden_dropout": "hidden_dropout_prob",
    "label_smoothing_factor": "label_smoothing",
    "loss_weights": "loss_weight",
    "lr": "learning_rate",
    "lr_schedule": "lr_scheduler",
    "max_length": "max_seq_len",
    "max_len": "max_seq_len",
    "model_name": "pretrain_model_path",
    "n_epochs": "num_epochs",
    "optim": "optimizer",
    "patience": "early_stopping_patience",
    "per_gpu_eval_batch_size": "pred_batch_size",
    "per_gpu_train_batch_size": "batch_size",
    "test_file": "pred_file",
    "train_batch_size": "batch_size",
    "train_epochs": "num_epochs",
    "validation_file": "dev_file",
    "vocab_file": "vocab_path",
    "warmup": "warmup_proportion",
}

_CHANGED = {
    "warmup_steps": "Write `warmup_proportion: <fraction of the run's steps>` instead.",
    "num_warmup_steps": "Write `warmup_proportion: <fraction of the run's steps>` instead.",
    "bf16": "Write `amp: bf16` instead.",
    "fp16": "Write `amp: fp16` instead, which is for GPUs; `amp: bf16` needs no loss scaling.",
    "fp16_full_eval": "Models are evaluated in float32 after `amp: fp16`. Write `amp: bf16` for both.",
    "bf16_full_eval": "Models are evaluated as they are trained. Write `amp: bf16` for both.",
    "gradient_checkpointing": "Write `recompute: true` instead.",
    "activation_checkpointing": "Write `recompute: true` instead.",
    "data_dir": "Write `train_file`, `dev_file` and `pred_file` instead.",
    "do_export": "`palm train` exports each target, `palm export` writes it for other programs: remove it.",
    "do_test": "Write `palm eval` instead, which evaluates an exported model: remove it.",
    "greater_is_better": "A loss is better if lower, every other metric if higher; in `selection` a negative weight "
    "turns that around: remove it.",
    "eval_strategy": "Write `eval_every_n_steps: <steps>` instead; -1 evaluates at epoch ends.",
    "evaluation_strategy": "Write `eval_every_n_steps: <steps>` instead; -1 evaluates at epoch ends.",
    "save_strategy": "Write `save_every_n_steps: <steps>` instead; -1 writes no checkpoint.",
    "logging_strategy": "Write `print_every_n_steps: <steps>` instead.",
    "early_stopping_threshold": "Write `early_stopping_min_delta` instead.",
    "no_cuda": "Write `use_gpu: false` instead.",
    "use_cpu": "Write `use_gpu: false` instead.",
    "device": "Write `use_gpu: true` or `use_gpu: false` instead.",
    "adafactor": "Write `optimizer: adamw` instead.",
    "overwrite_output_dir": "A new run archives the earlier one, and `resume: auto` continues it: remove it.",
    "lr_scheduler_kwargs": "Keys of a schedule, such as warmup_proportion, stand beside it: write them there.",
    "optim_args": "The keys of an optimizer stand beside it, such as adam_beta1: write them there.",
    "length_column_name": "Lengths are computed: write `group_by_length: true` alone.",
    "train_sampling_strategy": "Write `shuffle` or `group_by_length` instead.",
    "label_names": "Gold columns are named by `columns`: write them there.",
    "include_for_metrics": "Write `metrics: […]` instead.",
    "wandb_project": "Write `report_to: wandb`, and set the environment variable WANDB_PROJECT.",
    "logging_dir": "Log and metrics are in save_path: remove it.",
    "tokenizer_name": "The vocabulary is the encoder's. Write `vocab_path` for another one.",
    "auto_find_batch_size": "Write `batch_size` or `max_tokens` instead.",
    "use_fast_tokenizer": "Text is always tokenised by the library `tokenizers`: remove it.",
}

_REPORTS = "Metrics are in save_path/metrics.jsonl, and `report_to` sends them to trackers: remove it."
_HUB = "Models are exported to save_path, and not uploaded: remove it."
_PROCESSES = "Training uses one process: remove it."
_LOADING = "Batches are prepared in the background: remove it."
_TORCH = "It is a feature of PyTorch, and PALM runs on Paddle: remove it."
_MEMORY = "Predictions are collected batch by batch: remove it."
_LOG = "PALM logs every print_every_n_steps steps: remove it."
_EXACT = "A run is a pure function of its configuration and random_seed, and resumes exactly: remove it."
_NO_METHOD = "There is no such method in PALM (docs/methods.md lists them): remove it."

_ABSENT = {
    _REPORTS: (
        "project trackio_space_id trackio_bucket_id trackio_static_space_id "
        "logging_nan_inf_filter include_num_input_tokens_seen include_tokens_per_second skip_memory_metrics"
    ),
    _HUB: (
        "push_to_hub hub_token hub_private_repo hub_model_id hub_strategy hub_always_push hub_revision "
        "push_to_hub_model_id push_to_hub_organization push_to_hub_token"
    ),
    _PROCESSES: (
        "local_rank ddp_backend ddp_broadcast_buffers ddp_bucket_cap_mb ddp_find_unused_parameters "
        "ddp_static_graph ddp_timeout deepspeed fsdp fsdp_config fsdp_min_num_params "
        "fsdp_transformer_layer_cls_to_wrap accelerator_config parallelism_config "
        "average_tokens_across_devices save_on_each_node log_on_each_node log_level_replica "
        "eval_use_gather_object sharded_ddp mp_parameters tpu_num_cores tpu_metrics_debug xpu_backend "
        "dispatch_batches split_batches"
    ),
    _LOADING: (
        "dataloader_num_workers dataloader_pin_memory dataloader_persistent_workers "
        "dataloader_prefetch_factor dataloader_multiprocessing_context dataloader_in_order "
        "remove_unused_columns num_workers pin_memory"
    ),
    _TORCH: (
        "tf32 torch_compile torch_compile_backend torch_compile_mode torch_empty_cache_steps use_liger_kernel "
        "liger_kernel_config enable_jit_checkpoint jit_mode_eval use_ipex use_mps_device torchdynamo "
        "half_precision_backend fp16_backend fp16_opt_level gradient_checkpointing_kwargs "
        "activation_checkpointing_kwargs ray_scope"
    ),
    _MEMORY: (
        "eval_accumulation_steps eval_do_concat_batches batch_eval_metrics prediction_loss_only "
        "include_inputs_for_metrics past_index use_cache use_legacy_prediction_loop"
    ),
    _LOG: ("log_level logging_first_step disable_tqdm debug"),
    _EXACT: (
        "full_determinism ignore_data_skip restore_callback_states_from_checkpoint save_only_model save_safetensors"
    ),
    _NO_METHOD: ("neftune_noise_alpha optim_target_modules"),
    "Evaluations are at epoch ends and every eval_every_n_steps steps: remove it.": (
        "eval_delay eval_on_start do_eval"
    ),
}

FOREIGN_KEYS: Mapping[str, str] = {
    **{key: f"Did you mean `{own}`? Correct or remove it." for key, own in _INSTEAD.items()},
    **_CHANGED,
    **{key: reason for reason, keys in _ABSENT.items() for key in keys.split()},
}
"""Key of another program, such as Hugging Face's TrainingArguments → what to write instead, or why there is none."""
