"""Dependency parsing: a head and a relation for each word, which together are a tree."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, cast, final

import numpy as np

from palm.data.conllu_lines import is_root
from palm.data.dataset import Batch, Dataset, IntArray, LabelMap, Record
from palm.paradigm.base import PARADIGMS, Outputs, Paradigm, Prediction
from palm.paradigm.biaffine import (
    BiaffineFields,
    all_relation_scores,
    arc_scores,
    build_biaffine,
    relation_scores,
    role,
)
from palm.paradigm.comparison import ComparedSpans
from palm.paradigm.decoding import check_classes, class_names, count_classes, examples_by_record
from palm.paradigm.losses import mean_cross_entropy
from palm.paradigm.trees import LEAST, conllu_text, joined_tree, joining_relation
from palm.schema.fields import BackboneFields, ClassCountFields, ParadigmFields
from palm.spec import Phase, Spec, Specs

if TYPE_CHECKING:
    from paddle import Tensor, nn

CONLLU_FILE = "predictions.conllu"


class ParserFields(BiaffineFields, ClassCountFields):
    """Keys of the paradigm `parse`."""


@final
@PARADIGMS.register("parse")
class Parser(Paradigm):
    """Biaffine scores of arcs and relations; two cross entropies, each averaged over the words.

    Source: Dozat & Manning, arXiv:1611.01734. [CLS] stands for the root, the first token of a word for the word. In
    prediction the tree is the best with a single root; each of its arcs has the relation that is best there.
    """

    Config: ClassVar[type[ParadigmFields]] = ParserFields
    decode_columns: ClassVar[tuple[str, ...]] = ("word_index",)
    extra_files: ClassVar[tuple[str, ...]] = (CONLLU_FILE,)
    answer_kind = "tree"
    lr_scale = 10.0  # as UDify (arXiv:1904.02099) and SuPar, whose heads learn 20 times as fast as the encoder
    config: ParserFields

    def __init__(
        self, config: ParserFields, labels: LabelMap | None = None, *, vocab: Sequence[str] | None = None
    ) -> None:
        super().__init__(config, labels, vocab=vocab)
        check_classes(config.n_classes, labels)

    @property
    def default_metrics(self) -> tuple[str, ...]:
        return ("las",)

    def reader_inputs(self, phase: Phase) -> Specs:
        words = {"word_starts": Spec("batch seq", "float32")}
        gold = {"label_ids": Spec("batch seq", "int64"), "head_positions": Spec("batch seq", "int64")}
        return words if phase == "predict" else words | gold

    def backbone_inputs(self) -> Specs:
        return {"encoder_outputs": Spec("batch seq hidden", "float32")}

    def outputs_attr(self, phase: Phase) -> Specs:
        """In training the scores of the relations to each gold head, else the best relation to each token."""
        found = {"arc_logits": Spec("batch seq seq", "float32")}
        if phase != "predict":
            found["relation_logits"] = Spec("batch seq class", "float32")
        if phase != "train":
            found["relation_ids"] = Spec("batch seq seq", "int64")
        return found

    def head_shape(self, backbone: BackboneFields) -> tuple[object, ...]:
        config = self.config
        return ("parse", backbone.hidden_size, self._count_classes(), config.arc_size, config.relation_size)

    def build_layers(self, backbone: BackboneFields) -> "nn.Layer":
        return build_biaffine(self.config, backbone.hidden_size, self._count_classes())

    def forward(self, layers: "nn.Layer", inputs: "Mapping[str, Tensor]", phase: Phase) -> "dict[str, Tensor]":
        from palm.kernels import plain
        from palm.kernels.products import in_float32

        trains = phase == "train"
        inner = self.config.arc_dropout if trains else 0.0
        with in_float32():  # a score is a sum of many products, and a tree one of many scores
            encoded = inputs["encoder_outputs"].astype("float32")
            encoded = plain.dropout(encoded, self.config.dropout_prob if trains else 0.0)
            words, heads, of_words, of_heads = (
                role(getattr(layers, name), encoded, inner)
                for name in ("arc_word", "arc_head", "relation_word", "relation_head")
            )
            candidates = _candidates(inputs["word_starts"])
            found = {"arc_logits": _only(candidates, arc_scores(layers, words, heads))}
            if phase != "predict":
                found["relation_logits"] = self._gold_relations(layers, of_words, of_heads, inputs["head_positions"])
            if not trains:
                found["relation_ids"] = self._best_relations(layers, of_words, of_heads, candidates)
        return found

    def loss(self, outputs: "Mapping[str, Tensor]", inputs: "Mapping[str, Tensor]") -> "Tensor":
        arcs = mean_cross_entropy(outputs["arc_logits"].flatten(0, 1), inputs["head_positions"].flatten())
        relations = mean_cross_entropy(outputs["relation_logits"].flatten(0, 1), inputs["label_ids"].flatten())
        return arcs + relations

    def split(self, outputs: Outputs, batch: Batch) -> list[Outputs]:
        """Scores and relations of each word's arcs: to the root and to each word, [word word+1]."""
        found: list[Outputs] = []
        for arcs, relations, starts in zip(
            outputs["arc_logits"], outputs["relation_ids"], batch["word_starts"], strict=True
        ):
            words = np.flatnonzero(starts)
            places = np.ix_(words, np.concatenate([[0], words]))
            found.append({"arcs": arcs[places], "relations": relations[places]})
        return found

    def decode(self, outputs: Sequence[Outputs], dataset: Dataset) -> list[Prediction]:
        """`{"index", "words", "heads", "relations"}` per record, and `conllu` for one from a CoNLL-U file.

        `heads` count words from 1, and are 0 for the root. `conllu` is the sentence as it stands in the file, with
        these heads and relations. Of a sentence in several windows each has a tree of its own; the roots of the later
        ones depend on that of the first.
        """
        names = class_names(self.labels, self._count_classes())
        groups = examples_by_record(dataset)
        return [self._prediction(index, rows, outputs, dataset, names) for index, rows in enumerate(groups)]

    def compare(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> ComparedSpans:
        """Relations as tags, where a word with another head has none that is right."""
        gold = [cast("Sequence[str]", record["labels"]) for record in records]
        found = [
            [
                relation if head == right else "(another head)"
                for relation, head, right in zip(
                    *_arcs(prediction), cast("Sequence[int]", record["heads"]), strict=True
                )
            ]
            for prediction, record in zip(predictions, records, strict=True)
        ]
        words = [cast("Sequence[str]", prediction["words"]) for prediction in predictions]
        return ComparedSpans(words, gold, found, None, None, " ")

    def describe(self, prediction: Prediction) -> list[str]:
        """A word with its relation and head in each line."""
        words = cast("Sequence[str]", prediction["words"])
        arcs = zip(words, *_arcs(prediction), strict=True)
        return [f"{word}  {relation}  {words[head - 1] if head else ''}".rstrip() for word, relation, head in arcs]

    def prediction_files(self, predictions: Sequence[Prediction]) -> dict[str, str]:
        return {**super().prediction_files(predictions), CONLLU_FILE: conllu_text(predictions)}

    def text_in(self, ending: str, predictions: Sequence[Prediction]) -> str | None:
        return conllu_text(predictions) if ending == ".conllu" else None

    @property
    def uncalibrated(self) -> str | None:
        return "a tree is chosen as a whole, and its arcs have no probabilities"

    @property
    def decoding_rules(self) -> dict[str, object]:
        """`root_relation`: that of the root, null where any may be; `joins`: that of the roots of further windows."""
        names = class_names(self.labels, self._count_classes())
        return {"root_relation": self._root_name, "joins": joining_relation(names)}

    @property
    def _root_name(self) -> str | None:
        names = self.labels.names if self.labels is not None else ()
        return next((name for name in names if is_root(name)), None)

    def _count_classes(self) -> int:
        return count_classes(self.config.n_classes, self.labels)

    def _gold_relations(self, layers: "nn.Layer", words: "Tensor", heads: "Tensor", positions: "Tensor") -> "Tensor":
        """The scores of each word's relations to its gold head: [batch seq class]."""
        import paddle
        from paddle.nn import functional

        from palm.kernels.products import product

        # As a product, whose gradient Paddle computes faster on the CPU than that of taking elements.
        chosen = functional.one_hot(paddle.clip(positions, min=0), words.shape[1])  # [batch seq seq]
        return relation_scores(layers, words, product(chosen, heads), classes=self._count_classes())

    def _best_relations(self, layers: "nn.Layer", words: "Tensor", heads: "Tensor", candidates: "Tensor") -> "Tensor":
        """The best relation of each token to each candidate but that of the root, 0 to others: int64[batch seq seq]."""
        import paddle

        scores = all_relation_scores(layers, words, heads, classes=self._count_classes())
        if self._root_name is not None and self.labels is not None:
            barred = [LEAST if is_root(name) else 0.0 for name in self.labels.names]
            scores = scores + paddle.to_tensor(barred, "float32").reshape([1, -1, 1, 1])
        best: Tensor = scores.argmax(axis=1) * candidates.unsqueeze(1).astype("int64")
        return best

    def _prediction(
        self, index: int, rows: IntArray, outputs: Sequence[Outputs], dataset: Dataset, names: Sequence[str]
    ) -> Prediction:
        record = dataset.records[index]
        words = cast("Sequence[str]", record["words"])
        windows = [dataset.ragged("word_index")[row] for row in rows]
        tree = joined_tree(
            [(window[window >= 0], outputs[row]) for window, row in zip(windows, rows, strict=True)],
            names,
            self._root_name,
        )
        found: Prediction = {"index": index, "words": list(words), "heads": tree.heads, "relations": tree.relations}
        if "source_lines" in record:
            found["conllu"] = conllu_text([{**found, "source_lines": record["source_lines"]}])
        return found


def _arcs(prediction: Prediction) -> tuple[Sequence[str], Sequence[int]]:
    return cast("Sequence[str]", prediction["relations"]), cast("Sequence[int]", prediction["heads"])


def _candidates(word_starts: "Tensor") -> "Tensor":
    """Which tokens may be heads: those that begin a word, and [CLS]: float32[batch seq]."""
    import paddle

    return paddle.concat([paddle.ones_like(word_starts[:, :1]), word_starts[:, 1:]], axis=1)


def _only(candidates: "Tensor", scores: "Tensor") -> "Tensor":
    """`scores` [batch seq seq] of the heads that are candidates; of others, the least there is."""
    import paddle

    allowed = (candidates > 0).unsqueeze(1).expand_as(scores)
    return paddle.where(allowed, scores, paddle.full_like(scores, LEAST))
