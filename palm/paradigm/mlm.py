"""Masked language model: predicts the original token of each [MASK]."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast, final

import numpy as np
from pydantic import Field

from palm.data.dataset import Batch, Dataset, IntArray, Record
from palm.paradigm.base import MOST_SHOWN, PARADIGMS, Outputs, Paradigm, Prediction
from palm.paradigm.comparison import ComparedTokens
from palm.paradigm.decoding import examples_by_record
from palm.paradigm.hugging_face import ApiRow, filled_masks
from palm.paradigm.losses import mean_cross_entropy
from palm.paradigm.mlm_head import MLM_HEAD, build_mlm_head, token_scores, transformed
from palm.schema.fields import BackboneFields, Float, Int, ParadigmFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn


class MaskedLMFields(ParadigmFields):
    """Keys of the paradigm `mlm`."""

    dropout_prob: Float = Field(0.0, ge=0, lt=1, description="Dropout before the head.")
    top_k: Int = Field(5, ge=1, description="Number of tokens that are predicted for each [MASK].")


@final
@PARADIGMS.register("mlm")
class MaskedLM(Paradigm):
    """BERT's masked language model head, with the decoder tied to the word embeddings.

    Only masked positions go through the transform and reach the vocabulary projection.
    """

    Config: ClassVar[type[ParadigmFields]] = MaskedLMFields
    decode_columns: ClassVar[tuple[str, ...]] = ("mask_positions",)
    predicts_tokens: ClassVar[bool] = True
    pretrained_head: ClassVar[str | None] = MLM_HEAD
    answer_kind = "cloze"
    config: MaskedLMFields
    pipeline_tag: ClassVar[str | None] = "fill-mask"

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("mlm_accuracy",)

    def reader_inputs(self, phase: Phase) -> Specs:
        position = {"mask_pos": Spec("mask", "int64")}
        return position if phase == "predict" else position | {"mask_label": Spec("mask", "int64")}

    def backbone_inputs(self) -> Specs:
        return {
            "encoder_outputs": Spec("batch seq hidden", "float32"),
            "embedding_table": Spec("vocab emb", "float32"),
        }

    def outputs_attr(self, phase: Phase) -> Specs:
        logits = {"logits": Spec("mask vocab", "float32")}
        best = {"top_ids": Spec("mask top", "int64"), "top_probs": Spec("mask top", "float32")}
        return {"train": logits, "eval": logits | best, "predict": best}[phase]

    @property
    def head_kind(self) -> str | None:
        return MLM_HEAD

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        return ("mlm", backbone.hidden_size, backbone.vocab_size, backbone.mlm_head().width)

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        return build_mlm_head(backbone, self.config.initializer_range)

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        import paddle
        from paddle.nn import functional

        from palm.kernels import plain
        from palm.kernels.batch_position import masks_before
        from palm.runtime.paddle_versions import computes_empty_tensors

        if not inputs["mask_pos"].shape[0] and not computes_empty_tensors():
            one = self.forward(layers, {**inputs, "mask_pos": paddle.zeros([1], "int64")}, phase)
            return {name: values[:0] for name, values in one.items()}
        encoded = inputs["encoder_outputs"].flatten(0, 1)  # [batch*seq hidden]
        masked = paddle.gather(encoded, inputs["mask_pos"])  # [mask hidden]
        if phase == "train":
            masked = plain.dropout(masked, self.config.dropout_prob, before=masks_before())
        logits = token_scores(layers, transformed(layers, masked), inputs["embedding_table"])  # [mask vocab]
        if phase == "train":
            return {"logits": logits}
        probs = functional.softmax(logits)
        if self.vocab is not None:
            probs = probs[:, : len(self.vocab)]  # an embedding may have more rows than there are tokens
        top_probs, top_ids = paddle.topk(probs, min(self.config.top_k, probs.shape[1]))  # [mask top]
        best = {"top_ids": top_ids, "top_probs": top_probs}
        return best if phase == "predict" else best | {"logits": logits}

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        return mean_cross_entropy(outputs["logits"], inputs["mask_label"])

    def count_losses(self, batch: Batch, examples: int) -> int:
        """The masked tokens."""
        return len(batch["mask_label"])

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        """`position`, `top_ids`, `top_probs` and, if known, `gold` of the masks of each example."""
        examples, width = batch["token_ids"].shape
        columns = {
            "position": batch["mask_pos"] % width,
            "top_ids": outputs["top_ids"],
            "top_probs": outputs["top_probs"],
        }
        if "mask_label" in batch:
            columns["gold"] = batch["mask_label"]
        rows = [batch["mask_pos"] // width == example for example in range(examples)]
        return [{name: column[row] for name, column in columns.items()} for row in rows]

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """A record's masks, or in evaluation the predicted and the gold ids.

        `{"index", "masks": [{"position", "ids", "probs"}]}`, each mask also with `tokens` if the vocabulary is
        known; in evaluation `{"index", "tokens": [id], "gold": [id]}`.
        """
        groups = examples_by_record(dataset)
        return [self._prediction(index, rows, outputs) for index, rows in enumerate(groups)]

    def describe(self, prediction: Prediction) -> list[str]:
        """The most probable tokens of each mask."""
        masks = cast("Sequence[Mapping[str, Sequence[object]]]", prediction.get("masks", ()))
        return [_best_tokens(mask) for mask in masks]

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> ComparedTokens:
        del records  # masks are sampled for each evaluation
        gold, predicted = ([self._named(row[name]) for row in predictions] for name in ("gold", "tokens"))
        return ComparedTokens(gold, predicted)

    @property
    def uncalibrated(self) -> str | None:
        return "only the most probable tokens of each [MASK] leave the head, and masks are sampled for each evaluation"

    def _named(self, ids: object) -> list[str]:
        numbers = cast("Sequence[int]", ids)
        return [str(number) if self.vocab is None else self.vocab[number] for number in numbers]

    def hugging_face(self, prediction: Prediction, row: ApiRow) -> object:
        """`[{"score", "token", "token_str", "sequence"}]`, best first; a list of these for each of several masks."""
        masks = cast("Sequence[Mapping[str, Sequence[object]]]", prediction["masks"])
        found = [filled_masks(mask, number, row) for number, mask in enumerate(masks)]
        return found[0] if len(found) == 1 else found

    def proposed_tokens(self, prediction: Prediction) -> Sequence[Sequence[tuple[int, float]]]:
        masks = cast("Sequence[Mapping[str, Sequence[float]]]", prediction["masks"])
        return [[(int(number), each) for number, each in zip(one["ids"], one["probs"], strict=True)] for one in masks]

    @property
    def incomparable(self) -> str | None:
        return "mlm"

    def _prediction(self, index: int, rows: IntArray, outputs: Sequence[Outputs]) -> Prediction:
        parts = [outputs[row] for row in rows]
        if any("gold" in part for part in parts):
            tokens = np.concatenate([part["top_ids"][:, 0] for part in parts])
            gold = np.concatenate([part["gold"] for part in parts])
            return {"index": index, "tokens": tokens.tolist(), "gold": gold.tolist()}
        return {"index": index, "masks": [mask for part in parts for mask in self._masks(part)]}

    def _masks(self, output: Outputs) -> list[Prediction]:
        masks: list[Prediction] = []
        for position, ids, probs in zip(output["position"], output["top_ids"], output["top_probs"], strict=True):
            named = {} if self.vocab is None else {"tokens": [self.vocab[number] for number in ids]}
            masks.append({"position": int(position), **named, "ids": ids.tolist(), "probs": probs.tolist()})
        return masks


def _best_tokens(mask: Mapping[str, Sequence[object]]) -> str:
    pairs = list(zip(mask.get("tokens", mask["ids"]), mask["probs"], strict=True))[:MOST_SHOWN]
    return f"[MASK] at {mask['position']}: " + ", ".join(f"{token} {probability:.3f}" for token, probability in pairs)
