"""Differences between PALM and transformers' BertModel, and PaddlePALM 0.2.1, on the same weights and batches.

    python benchmarks/parity.py --models MODELS pretrain/minilm-l6-en

MODELS is a folder with bert-tiny-mlm-en, me5-small-zh-char and paddle1x-bert-tiny; further arguments are Hugging Face
folders.
Needs torch and transformers (pip install "paddle-palm[parity]"). Numbers are largest absolute differences in float32;
logits go up to 30, where the resolution of float32 is 2e-6, so theirs is also given relative to the largest one.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from palm.runtime.environment import prepare_runtime

prepare_runtime()

import paddle  # noqa: E402 (the process has to be set up first)
from paddle import nn  # noqa: E402

from palm.backbone import Bert, BertConfig  # noqa: E402
from palm.data.tokenizer import Tokenizer  # noqa: E402
from palm.data.vocab import load_vocab  # noqa: E402
from palm.engine.optim import AdamW  # noqa: E402
from palm.engine.optim.optimizer import Optimizer  # noqa: E402
from palm.paradigm import MaskedLM  # noqa: E402
from palm.pretrained.load import apply_pretrained, config_defaults_for, load_pretrained  # noqa: E402
from palm.pretrained.paddle1x import read_folder  # noqa: E402

STEPS, LEARNING_RATE, WEIGHT_DECAY = 5, 1e-4, 0.01
PAIRS = [
    ("what flights leave boston for denver on tuesday morning ?", "the first one leaves at seven and has no meals"),
    ("北京到上海的航班什么时候起飞?", "最早的一班七点起飞"),
    ("cheap", "a fare from san francisco (sfo) to dallas, one way, under $ 200, in coach"),
    ("今天天气怎么样", "晴"),
    ("the quick brown fox jumps over the lazy dog", "模型 bert 与 ernie 2.0"),
]

Batch = dict[str, np.ndarray]
Metrics = dict[str, float]


def batch_of(folder: Path, seed: int = 0) -> Batch:
    """The pairs as one padded batch, with about every sixth token masked."""
    tokenizer = Tokenizer(load_vocab(folder / "vocab.txt"), do_lower_case=True, for_cn=False)
    rows, segments = [], []
    for pair in PAIRS:
        one, other = tokenizer.encode_ids(pair)
        first, second = [tokenizer.cls_id, *one, tokenizer.sep_id], [*other, tokenizer.sep_id]
        rows.append(first + second)
        segments.append([0] * len(first) + [1] * len(second))
    width = max(len(row) for row in rows)
    ids = np.array([row + [tokenizer.pad_id] * (width - len(row)) for row in rows])
    mask = np.array([[1.0] * len(row) + [0.0] * (width - len(row)) for row in rows], "float32")
    inner = (mask > 0) & (ids != tokenizer.cls_id) & (ids != tokenizer.sep_id)
    chosen = np.flatnonzero(inner & (np.random.default_rng([1, seed]).random(ids.shape) < 1 / 6))
    return {
        "token_ids": np.where(np.isin(np.arange(ids.size).reshape(ids.shape), chosen), tokenizer.mask_id, ids),
        "position_ids": np.arange(width)[None].repeat(len(rows), 0),
        "segment_ids": np.array([row + [0] * (width - len(row)) for row in segments]),
        "input_mask": mask,
        "mask_pos": chosen,
        "mask_label": ids.reshape(-1)[chosen],
    }


def transformers_parity(folder: Path) -> Metrics:
    """Encoder, pooler, MLM head, loss and training steps on the weights of a Hugging Face folder.

    Heads that the folder lacks are initialized by transformers and passed on in a file.
    """
    torch, reference = reference_model(folder)
    batch = batch_of(folder)
    with tempfile.TemporaryDirectory() as whole:
        reference.save_pretrained(whole)
        (Path(whole) / "config.json").write_bytes((folder / "config.json").read_bytes())
        model = PalmModel(Path(whole))
    with torch.no_grad():
        theirs = reference(**torch_inputs(torch, batch), output_hidden_states=True)
        pooled = reference.bert(**torch_inputs(torch, batch)).pooler_output.numpy()
    ours, direct = model.encode(batch), PalmModel(folder).encode(batch)["encoder_outputs"]
    hidden, real = theirs.hidden_states[-1].numpy(), batch["input_mask"] > 0
    logits = theirs.prediction_logits.flatten(0, 1)[torch.tensor(batch["mask_pos"])]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(batch["mask_label"]))
    return {
        "encoder_outputs": largest(direct[real], hidden[real]),
        "sentence_embedding": largest(ours["sentence_embedding"], pooled),
        "mlm_logits": largest(model.logits(batch), logits.numpy()),
        "mlm_logits / largest logit": largest(model.logits(batch), logits.numpy()) / float(logits.abs().max()),
        "mlm_loss": abs(float(model.loss(batch)) - float(loss)),
        f"losses of {STEPS} AdamW steps": training_difference(folder, model, torch, reference),
    }


def training_difference(folder: Path, model: "PalmModel", torch: Any, reference: Any) -> float:  # noqa: ANN401 (torch is optional)
    """Largest difference between the losses of the same steps on both sides: clipped to norm 1, no dropout."""
    optimizer = Optimizer(model, AdamW, AdamW.Config(weight_decay=WEIGHT_DECAY, max_grad_norm=1.0))
    plain = [name.endswith("bias") or "LayerNorm" in name for name, _ in reference.named_parameters()]
    groups = [
        {
            "params": [p for p, skip in zip(reference.parameters(), plain, strict=True) if skip is kind],
            "weight_decay": decay,
        }
        for kind, decay in ((True, 0.0), (False, WEIGHT_DECAY))
    ]
    theirs = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8)
    differences = []
    for step in range(STEPS):
        batch = batch_of(folder, seed=step)
        loss = model.loss(batch)
        loss.backward()
        optimizer.step(LEARNING_RATE)
        logits = reference(**torch_inputs(torch, batch)).prediction_logits.flatten(0, 1)
        chosen = logits[torch.tensor(batch["mask_pos"])]
        other = torch.nn.functional.cross_entropy(chosen, torch.tensor(batch["mask_label"]))
        theirs.zero_grad()
        other.backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
        theirs.step()
        differences.append(abs(float(loss) - other.item()))
    return max(differences)


class PalmModel(nn.Layer):
    """PALM's encoder and MLM head with the weights of a folder, dropout off.

    Args:
        folder: Weights and config.json.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        keys = config_defaults_for(folder) | json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = BertConfig(**keys | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
        self.paradigm = MaskedLM(MaskedLM.Config(dropout_prob=0.0))
        self.backbone, self.head = Bert(config).build_layers(), self.paradigm.build_layers(config)
        weights = load_pretrained(folder)
        self.report = apply_pretrained(self.backbone, weights)
        if any(name.startswith("mlm.") for name in weights.tensors):
            apply_pretrained(self.head, weights, prefix="mlm.")

    def forward(self, batch: Batch) -> dict[str, paddle.Tensor]:
        """The encoder's outputs and the batch."""
        inputs = {name: paddle.to_tensor(array) for name, array in batch.items()}
        return inputs | self.backbone(inputs)

    def encode(self, batch: Batch) -> Batch:
        """The encoder's outputs as arrays."""
        with paddle.no_grad():
            return {name: tensor.numpy() for name, tensor in self(batch).items()}

    def logits(self, batch: Batch) -> np.ndarray:
        """Scores of the vocabulary at the masked positions."""
        with paddle.no_grad():
            return np.asarray(self.paradigm.forward(self.head, self(batch), "train")["logits"].numpy())

    def loss(self, batch: Batch) -> paddle.Tensor:
        """Mean loss of the masked positions."""
        inputs = self(batch)
        return self.paradigm.loss(self.paradigm.forward(self.head, inputs, "train"), inputs)


def reference_model(folder: Path) -> tuple[Any, Any]:
    """Torch, and transformers' BertForPreTraining with the weights of `folder`, dropout off."""
    import torch  # noqa: PLC0415 (optional)
    import transformers  # noqa: PLC0415 (optional)

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(1)
    return torch, transformers.BertForPreTraining.from_pretrained(folder, dtype=torch.float32).eval()


def torch_inputs(torch: Any, batch: Batch) -> dict[str, Any]:  # noqa: ANN401 (torch is optional)
    """The batch under transformers' names."""
    names = {"input_ids": "token_ids", "attention_mask": "input_mask", "token_type_ids": "segment_ids"}
    return {theirs: torch.tensor(batch[ours]) for theirs, ours in names.items()}


def paddle1x_parity(folder: Path) -> Metrics:
    """Start and end logits of PaddlePALM 0.2.1 under Paddle 1.8.5, from `expected.npz`, on real tokens."""
    expected = np.load(folder / "expected.npz")
    names = ("token_ids", "position_ids", "segment_ids", "input_mask")
    encoded = PalmModel(folder).encode({name: expected[name][:, :, 0] for name in names})["encoder_outputs"]
    head = read_folder(folder / "params")
    logits = encoded @ head["mrqa/cls_squad_out_w"] + head["mrqa/cls_squad_out_b"]
    real = expected["input_mask"][:, :, 0] > 0
    return {
        "start logits": largest(logits[..., 0][real], expected["out_2"][real]),
        "end logits": largest(logits[..., 1][real], expected["out_0"][real]),
    }


def largest(one: np.ndarray, other: np.ndarray) -> float:
    """Largest absolute difference of two arrays of the same shape."""
    if one.shape != other.shape:
        raise ValueError(f"the arrays must have the same shape. Found {one.shape} and {other.shape}.")
    return float(np.abs(one - other).max())


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, help="folder with the three small models")
    parser.add_argument("folders", type=Path, nargs="*", help="further Hugging Face folders")
    arguments = parser.parse_args()
    small = [arguments.models / name for name in ("bert-tiny-mlm-en", "me5-small-zh-char")] if arguments.models else []
    rows = [(folder.name, transformers_parity(folder)) for folder in (*small, *arguments.folders)]
    if arguments.models:
        rows.append(("paddle1x-bert-tiny", paddle1x_parity(arguments.models / "paddle1x-bert-tiny")))
    for name, differences in rows:
        sys.stdout.writelines(f"{name:20} {what:27} {difference:.1e}\n" for what, difference in differences.items())


if __name__ == "__main__":
    main()
