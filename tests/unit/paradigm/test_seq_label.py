"""Sequence labelling: loss over labelled tokens, windows merged to one label per word, spans."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset, LabelMap, Ragged
from palm.errors import ConfigError
from palm.metric import METRICS
from palm.paradigm import Tagging
from palm.paradigm.seq_label import TaggingFields
from palm.schema.fields import BackboneFields

LABELS = LabelMap(("B-city", "I-city", "O"))


def dataset_of(words: Sequence[Sequence[str]], word_index: Sequence[Sequence[int]], record: Sequence[int]) -> Dataset:
    columns = {"record": np.array(record, "int64"), "word_index": Ragged.from_rows(word_index)}
    return Dataset(columns, [{"words": list(one)} for one in words], Path("pred.tsv"))


def parts(*rows: Sequence[int]) -> list[dict[str, np.ndarray]]:
    return [{"label_ids": np.array(row)} for row in rows]


def test_loss_is_a_mean_over_labelled_tokens():
    logits = paddle.to_tensor([[[9.0, 0.0], [0.0, math.log(3.0)]], [[0.0, 0.0], [0.0, 9.0]]])
    labels = paddle.to_tensor([[-100, 1], [0, -100]])
    paradigm = Tagging(Tagging.Config(n_classes=2))

    loss = paradigm.loss({"logits": logits}, {"label_ids": labels})
    assert float(loss) == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_each_word_takes_the_label_of_its_first_piece():
    dataset = dataset_of([["fly", "San", "Francisco"]], [[-1, 0, 1, 2, -1, -1]], [0])
    [prediction] = Tagging(Tagging.Config(), LABELS).decode(parts([2, 2, 0, 1, 0, 2]), dataset)

    assert prediction == {
        "index": 0,
        "words": ["fly", "San", "Francisco"],
        "labels": ["O", "B-city", "I-city"],
        "spans": [{"type": "city", "start": 1, "end": 3, "text": "San Francisco"}],
    }


def test_the_score_of_a_span_is_the_mean_probability_of_its_words():
    dataset = dataset_of([["fly", "San", "Francisco"]], [[-1, 0, 1, 2, -1]], [0])
    paradigm = Tagging(Tagging.Config(), LABELS)
    names = list(LABELS.names)
    logits = np.full((1, 7, 3), -50.0, "float32")  # two positions of padding
    for place, (label, odds) in enumerate([("O", 1.0), ("O", 1.0), ("B-city", 3.0), ("I-city", 1.5), ("O", 1.0)]):
        logits[0, place, names.index(label)] = math.log(odds)
        logits[0, place, (names.index(label) + 1) % 3] = 0.0 if odds > 1 else -50.0
    split = paradigm.split({"logits": logits}, {"input_mask": np.array([[1, 1, 1, 1, 1, 0, 0]], "float32")})
    [prediction] = paradigm.decode(split, dataset)
    assert prediction["labels"] == ["O", "B-city", "I-city"]
    [span] = prediction["spans"]
    assert span.pop("score") == pytest.approx((0.75 + 0.6) / 2)
    assert span == {"type": "city", "start": 1, "end": 3, "text": "San Francisco"}


def test_a_crf_has_no_score():
    paradigm = Tagging(Tagging.Config(head="crf"), LABELS)
    dataset = dataset_of([["San", "Francisco"]], [[-1, 0, 1, -1]], [0])
    logits = np.zeros((1, 4, 3), "float32")
    logits[0, 1, LABELS.names.index("B-city")] = logits[0, 2, LABELS.names.index("I-city")] = 5.0
    outputs = {"logits": logits, "transitions": np.zeros((5, 3), "float32")}
    split = paradigm.split(outputs, {"input_mask": np.ones((1, 4), "float32")})
    assert paradigm.decode(split, dataset)[0]["spans"] == [
        {"type": "city", "start": 0, "end": 2, "text": "San Francisco"}
    ]


def test_chinese_spans_are_joined_without_blanks():
    dataset = dataset_of([["去", "北", "京"]], [[-1, 0, 1, 2, -1]], [0])
    paradigm = Tagging(Tagging.Config(for_cn=True), LABELS)

    assert paradigm.decode(parts([2, 2, 0, 1, 2]), dataset)[0]["spans"] == [
        {"type": "city", "start": 1, "end": 3, "text": "北京"}
    ]


def test_windows_of_a_record_are_merged():
    dataset = dataset_of([["a", "b", "c", "d"], ["e"]], [[-1, 0, 1, -1], [-1, 2, 3, -1], [-1, 0, -1]], [0, 0, 1])
    predictions = Tagging(Tagging.Config(), LABELS).decode(parts([2, 0, 1, 2], [2, 1, 2, 2], [2, 0, 2]), dataset)

    assert [prediction["labels"] for prediction in predictions] == [["B-city", "I-city", "I-city", "O"], ["B-city"]]


def test_where_windows_overlap_the_one_with_more_context_decides():
    # Word 2 is the last of the first window and second in the next one, which shows more around it.
    windows = [[-1, 0, 1, 2, -1], [-1, 1, 2, 3, -1]]
    dataset = dataset_of([["a", "b", "c", "d"]], windows, [0, 0])
    [prediction] = Tagging(Tagging.Config(), LABELS).decode(parts([2, 2, 2, 2, 2], [2, 0, 0, 0, 2]), dataset)

    assert prediction["labels"] == ["O", "O", "B-city", "B-city"]


def test_a_word_without_pieces_is_outside():
    dataset = dataset_of([["a", "\u200b"]], [[-1, 0, -1]], [0])

    assert Tagging(Tagging.Config(), LABELS).decode(parts([2, 0, 2]), dataset)[0]["labels"] == [
        "B-city",
        "O",
    ]


def test_a_record_without_words_has_an_empty_prediction():
    dataset = dataset_of([[], ["a"]], [[-1, 0, -1]], [1])
    predictions = Tagging(Tagging.Config(), LABELS).decode(parts([2, 0, 2]), dataset)

    assert predictions[0] == {"index": 0, "words": [], "labels": [], "spans": []}


def test_spans_of_a_text_have_its_characters():
    record = {
        "line": 1,
        "words": ["去", "New", "York"],
        "text": "去 New\u00a0York",
        "offsets": [[0, 1], [2, 5], [6, 10]],
    }
    dataset = replace(dataset_of([record["words"]], [[-1, 0, 1, 2, -1]], [0]), records=[record])
    [prediction] = Tagging(Tagging.Config(for_cn=True), LABELS).decode(parts([2, 2, 0, 1, 2]), dataset)

    assert prediction["spans"] == [
        {"type": "city", "start": 1, "end": 3, "text": "New\u00a0York", "start_char": 2, "end_char": 10}
    ]


def test_padding_is_cut_off():
    logits = np.zeros((2, 3, 2), "float32")
    logits[:, :, 1] = 1
    mask = np.array([[1, 1, 1], [1, 1, 0]], "float32")
    outputs = Tagging(Tagging.Config(n_classes=2)).split({"logits": logits}, {"input_mask": mask})

    assert [part["label_ids"].tolist() for part in outputs] == [[1, 1, 1], [1, 1]]


def test_key_and_labels_must_agree():
    with pytest.raises(ConfigError, match="Found 2, but the labels are 3: B-city, I-city, O"):
        Tagging(Tagging.Config(n_classes=2), LABELS)


SIZES = BackboneFields(vocab_size=11, hidden_size=4, num_hidden_layers=1, num_attention_heads=1)


def test_a_crf_decodes_the_best_sequence_of_the_words_alone():
    """I-city is the best label of the last word, but may not follow O; the later piece between has no say."""
    paradigm = Tagging(Tagging.Config(head="crf", for_cn=True), LABELS)
    transitions = np.zeros((5, 3), "float32")
    transitions[2, 1] = -10.0
    logits = np.array([[9, 0, 0], [0, 0, 3], [9, 0, 0], [0, 2, 1], [9, 0, 0]], "float32")
    outputs = paradigm.split({"logits": logits[None], "transitions": transitions}, {"input_mask": np.ones((1, 5))})
    [prediction] = paradigm.decode(outputs, dataset_of([["去", "京"]], [[-1, 0, -1, 1, -1]], [0]))

    assert prediction["labels"] == ["O", "O"]
    transitions[2, 1] = 0.0
    assert paradigm.decode(outputs, dataset_of([["去", "京"]], [[-1, 0, -1, 1, -1]], [0]))[0]["labels"] == [
        "O",
        "I-city",
    ]


@pytest.mark.parametrize("head", ["mlp", "bilstm", "crf", "bilstm_crf"])
def test_gradients_reach_every_parameter_of_each_kind(head):
    paddle.seed(3)
    paradigm = Tagging(Tagging.Config(head=head, head_hidden_size=3), LABELS)
    layers = paradigm.build_layers(SIZES)
    inputs = {
        "encoder_outputs": paddle.randn([2, 4, 4]),
        "input_mask": paddle.to_tensor([[1.0] * 4, [1.0, 1.0, 1.0, 0.0]]),
        "label_ids": paddle.to_tensor([[-100, 0, 1, -100], [-100, 2, -100, -100]]),
    }
    outputs = paradigm.forward(layers, inputs, "train")
    paradigm.loss(outputs, inputs).backward()

    assert set(outputs) == set(paradigm.outputs_attr("train"))
    assert [name for name, p in layers.named_parameters() if p.grad is None or not paddle.abs(p.grad).sum() > 0] == []


def test_a_bilstm_equals_that_of_pytorch_without_seeing_padding():
    torch = pytest.importorskip("torch")
    paradigm = Tagging(Tagging.Config(head="bilstm", head_hidden_size=3, initializer_range=0.5), LABELS)
    layers = paradigm.build_layers(SIZES)
    theirs = torch.nn.LSTM(4, 3, bidirectional=True, batch_first=True)
    weights = {name: torch.tensor(p.numpy()) for name, p in layers.lstm.named_parameters() if "_l0" in name}
    theirs.load_state_dict(weights)
    encoded, mask = np.random.default_rng(2).normal(size=(2, 4, 4)).astype("float32"), [[1.0] * 4, [1.0, 1.0, 0.0, 0.0]]
    inputs = {"encoder_outputs": paddle.to_tensor(encoded), "input_mask": paddle.to_tensor(mask)}
    found = paradigm.forward(layers, inputs, "eval")["logits"].numpy()
    for row, length in ((0, 4), (1, 2)):
        hidden = theirs(torch.tensor(encoded[row, :length])[None])[0][0].detach().numpy()
        wanted = hidden @ layers.linear.weight.numpy() + layers.linear.bias.numpy()
        np.testing.assert_allclose(found[row, :length], wanted, atol=1e-5)


def test_heads_of_each_kind_have_a_shape_of_their_own():
    kinds = ("linear", "mlp", "bilstm", "crf", "bilstm_crf")
    shapes = [Tagging(Tagging.Config(head=head), LABELS).head_shape(SIZES) for head in kinds]

    assert shapes[0] == ("seq_label", 4, 3)
    assert len(set(shapes)) == len(kinds)


def test_a_crf_has_no_loss_by_word():
    with pytest.raises(ValueError, match="apply to losses per word, `head: crf` has none"):
        Tagging.Config(head="crf", focal_gamma=2.0)


def spans_with(labels: LabelMap, tags: Sequence[str], **keys: object) -> list[tuple[object, ...]]:
    paradigm = Tagging(Tagging.Config(**keys), labels)
    ids = [labels.names.index(tag) for tag in tags]
    dataset = dataset_of([["w"] * len(tags)], [[-1, *range(len(tags)), -1]], [0])
    [prediction] = paradigm.decode(parts([0, *ids, 0]), dataset)
    [record] = paradigm.gold_records([{"words": ["w"] * len(tags), "labels": list(tags)}])

    assert record["spans"] == (prediction["spans"] or record["spans"])
    return [(span["type"], span["start"], span["end"]) for span in prediction["spans"]]


def test_spans_are_those_of_the_scheme_of_the_training_data() -> None:
    names = ("B-PER", "L-PER", "O", "U-PER")

    assert spans_with(LabelMap(names, "bilou"), ["U-PER", "U-PER", "B-PER", "L-PER"]) == [
        ("PER", 0, 1),
        ("PER", 1, 2),
        ("PER", 2, 4),
    ]
    assert spans_with(LabelMap(("LOC", "O", "PER"), "io"), ["PER", "PER", "O"]) == [("PER", 0, 2)]


def test_the_key_wins_over_the_scheme_of_the_training_data() -> None:
    assert spans_with(LabelMap(("DET", "NOUN"), "none"), ["DET", "DET", "NOUN"], tag_scheme="io") == [
        ("DET", 0, 2),
        ("NOUN", 2, 3),
    ]
    with pytest.raises(ConfigError, match="tag_scheme: the tags of the scheme `bio` hold a letter and a type"):
        spans_with(LabelMap(("DET", "NOUN"), "none"), ["DET"], tag_scheme="bio")


def test_tags_that_mark_no_spans() -> None:
    paradigm = Tagging(Tagging.Config(), LabelMap(("DET", "NOUN"), "none"))

    assert spans_with(LabelMap(("DET", "NOUN"), "none"), ["DET", "NOUN"]) == []
    assert paradigm.gold_records([{"words": ["a"], "labels": ["DET"]}])[0]["spans"] is None
    assert paradigm.missing_metrics == {"span_f1", "span_precision", "span_recall"}
    assert not Tagging(Tagging.Config(), LABELS).missing_metrics
    assert paradigm.notes == (
        "tag scheme none (from the tags of train_file, such as DET, NOUN): tags mark no spans, so span_f1 reports "
        "token_accuracy alone.",
    )


def test_without_a_known_scheme_tags_are_read_as_bio_and_doubts_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    """As by models that were exported before schemes were known."""
    assert spans_with(LABELS, ["B-city", "I-city", "O", "I-city"]) == [("city", 0, 2), ("city", 3, 4)]
    assert caplog.messages == []
    assert spans_with(LabelMap(("B-x", "L-x", "O")), ["B-x", "O"]) == [("x", 0, 1)]
    assert caplog.messages == [
        "spans are read as BIO, as nothing says which scheme the tags are of. Found B-x, L-x, O. Set tag_scheme."
    ]


def test_a_word_that_no_window_shows_is_outside_in_lower_case_too() -> None:
    paradigm = Tagging(Tagging.Config(), LabelMap(("b-x", "i-x", "o"), "bio"))
    [prediction] = paradigm.decode(parts([2, 0, 2]), dataset_of([["a", "\u200b"]], [[-1, 0, -1]], [0]))

    assert prediction["labels"] == ["b-x", "o"]


def test_rules_of_lemmas_become_lemmas():
    labels = LabelMap(("↓0;0¦¦0¦", "↓0;0¦¦1¦", ";=go"), tag_scheme="none")
    tagging = Tagging(TaggingFields(), labels)
    words = ["Dogs", "went", "去"]
    records = [{"words": words, "labels": ["↓0;0¦¦1¦", ";=go", "↓0;0¦¦0¦"], "line": 1}]
    columns = {"word_index": Ragged.from_rows([[-1, 0, 1, 2, -1]]), "record": np.array([0])}
    output = {"label_ids": np.array([0, 1, 0, 0, 0]), "probabilities": np.ones(5)}
    [found] = tagging.decode([output], Dataset(columns, records, "x"))
    assert found["lemmas"] == ["dog", "went", "去"]
    gold = tagging.gold_records(records)
    assert gold[0]["lemmas"] == ["dog", "go", "去"]
    scores = METRICS["span_f1"]([found], gold)
    assert list(scores) == ["lemma_accuracy", "token_accuracy"]
    assert scores == pytest.approx({"lemma_accuracy": 2 / 3, "token_accuracy": 2 / 3})
    assert tagging.describe(found) == ["Dogs/dog went/went 去/去"]
    assert tagging.decoding_rules["lemma_rules"] is True
