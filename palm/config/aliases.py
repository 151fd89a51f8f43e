"""Other names of keys: those of PaddlePALM's manual, and those that users of Hugging Face's Trainer know."""

ALIASES = {
    # PaddlePALM's manual and article
    "epoch": "num_epochs",
    "seed": "random_seed",
    "save_ckpt_every_n_steps": "save_every_n_steps",
    "infer_model": "inference_model_dir",
    "infermodel": "inference_model_dir",
    "inference_model": "inference_model_dir",
    "max_seqlen": "max_seq_len",
    "import": "imports",
    "gradient_clip": "max_grad_norm",
    # Hugging Face's TrainingArguments
    "num_train_epochs": "num_epochs",
    "per_device_train_batch_size": "batch_size",
    "per_device_eval_batch_size": "pred_batch_size",
    "warmup_ratio": "warmup_proportion",
    "logging_steps": "print_every_n_steps",
    "save_steps": "save_every_n_steps",
    "eval_steps": "eval_every_n_steps",
    "save_total_limit": "keep_checkpoints",
    "lr_scheduler_type": "lr_scheduler",
    "max_seq_length": "max_seq_len",
}
"""Alias → the key's own name, in YAML and on the command line."""

BACKBONE_ALIASES = {
    "sent_type_vocab_size": "type_vocab_size",
    "layer_norm_epsilon": "layer_norm_eps",
}
"""Alias → own name, in a backbone's JSON file only."""
