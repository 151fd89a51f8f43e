"""`parse` scores arcs by biaffine products, and decodes them to trees and CoNLL-U."""

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset, LabelMap, Ragged
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError
from palm.paradigm.biaffine import all_relation_scores, arc_scores, build_biaffine, relation_scores
from palm.paradigm.parse import Parser, ParserFields
from palm.paradigm.trees import LEAST
from palm.schema.fields import BackboneFields
from palm.schema.settings import TaskSettings

BACKBONE = BackboneFields(vocab_size=11, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
LABELS = LabelMap(("det", "nsubj", "parataxis", "root"))
CONFIG = ParserFields(arc_size=6, relation_size=4, initializer_range=0.5)


@pytest.fixture
def layers():
    paddle.seed(3)
    made = build_biaffine(CONFIG, 8, 4)
    for parameter in made.parameters():  # biases start at 0, and would not show a mistake
        parameter.set_value(parameter + paddle.randn(parameter.shape) * 0.3)
    return made


@pytest.mark.parametrize(("keys", "expected"), [({}, 10.0), ({"lr_scale": 1}, 1.0)])
def test_its_head_learns_faster_than_the_encoder(keys, expected):
    settings = TaskSettings(reader="parse", paradigm="parse", **keys)
    task = TaskInstance("树", settings, reader=None, paradigm=Parser(CONFIG, LABELS), head="树", seed=1)
    assert task.lr_scale == expected


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_arcs_are_scored_by_equation_6_of_the_paper(layers):
    words, heads = normal(2, 3, 6), normal(2, 3, 6, seed=1)
    weight, bias = layers.arc_pair.weight.numpy(), layers.arc_pair.bias.numpy()
    found = arc_scores(layers, paddle.to_tensor(words), paddle.to_tensor(heads)).numpy()
    for row in range(2):
        for word in range(3):
            for head in range(3):
                # H^(arc-head) U^(1) h^(arc-dep) + H^(arc-head) u^(2)
                expected = words[row, word] @ weight @ heads[row, head] + bias @ heads[row, head]
                assert found[row, word, head] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_relations_are_scored_by_a_full_biaffine_form(layers):
    words, heads = normal(2, 3, 4), normal(2, 3, 4, seed=1)
    pair, head_weight = layers.relation_pair.weight.numpy(), layers.relation_pair.bias.numpy().reshape(4, 4)
    word_weight, bias = layers.relation_bias.weight.numpy(), layers.relation_bias.bias.numpy()
    tensors = paddle.to_tensor(words), paddle.to_tensor(heads)
    each = all_relation_scores(layers, *tensors, classes=4).numpy()
    same_place = relation_scores(layers, *tensors, classes=4).numpy()
    for kind in range(4):
        form = pair.reshape(4, 4, 4)[:, kind]  # [of the word, of the head]
        for word in range(3):
            for head in range(3):
                d, h = words[1, word], heads[1, head]
                expected = d @ form @ h + head_weight[kind] @ h + word_weight[:, kind] @ d + bias[kind]
                assert each[1, kind, word, head] == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert same_place[1, :, kind] == pytest.approx(np.diagonal(each[1, kind]), rel=1e-4, abs=1e-5)


def inputs_of(starts, heads=None, labels=None):
    given = {"encoder_outputs": normal(1, len(starts), 8), "word_starts": np.array([starts], "float32")}
    if heads is not None:
        given |= {"head_positions": np.array([heads]), "label_ids": np.array([labels])}
    return {name: paddle.to_tensor(array) for name, array in given.items()}


def test_only_words_and_the_root_are_heads(layers):
    parser = Parser(CONFIG, LABELS)
    outputs = parser.forward(layers, inputs_of([0, 1, 0, 1, 0]), "predict")
    arcs = outputs["arc_logits"].numpy()[0]
    assert (arcs[:, [2, 4]] == LEAST).all()
    assert (arcs[:, [0, 1, 3]] > LEAST).all()
    assert LABELS.names[3] not in {LABELS.names[number] for number in outputs["relation_ids"].numpy().ravel()}


def test_the_loss_is_that_of_both_softmaxes(layers):
    parser = Parser(CONFIG, LABELS)
    inputs = inputs_of([0, 1, 0, 1, 0], [-100, 3, -100, 0, -100], [-100, 1, -100, 3, -100])
    outputs = parser.forward(layers, inputs, "eval")
    arcs, relations = outputs["arc_logits"].numpy()[0].astype("float64"), outputs["relation_logits"].numpy()[0]

    def lost(scores, gold):
        return np.log(np.exp(scores).sum()) - scores[gold]

    expected = (lost(arcs[1], 3) + lost(arcs[3], 0)) / 2 + (lost(relations[1], 1) + lost(relations[3], 3)) / 2
    assert float(parser.loss(outputs, inputs)) == pytest.approx(expected, rel=1e-5)
    batch = {"label_ids": np.array([[-100, 1, -100, 3, -100]])}
    assert parser.count_losses(batch, 1) == 2


def dataset(records, rows):
    columns = {
        "word_index": Ragged.from_rows([words for _, words in rows]),
        "record": np.array([number for number, _ in rows]),
    }
    return Dataset(columns, records, "x")


def output(heads, relations, words):
    """Scores that make these heads best, and relations for every head."""
    arcs = np.zeros((words, words + 1), "float32")
    arcs[np.arange(words), heads] = 5.0
    return {"arcs": arcs, "relations": np.tile(np.array(relations)[:, None], (1, words + 1))}


def test_trees_and_their_lines():
    line = "\t".join
    lines = [
        "# text = 我爱",
        line(["1", "我", "我", "PRON", "_", "_", "_", "_", "_", "SpaceAfter=No"]),
        line(["2", "爱", "爱", "VERB", "_", "_", "0", "root", "0:root", "_"]),
    ]
    records = [{"words": ["我", "爱"], "source_lines": lines}, {"words": ["cats"]}, {"words": []}]
    rows = [(0, [-1, 0, 1, -1]), (1, [-1, 0, -1, -1]), (2, [-1, -1])]
    outputs = [output([2, 0], [1, 0], 2), output([0], [0], 1), output([], [], 0)]
    parser = Parser(CONFIG, LABELS)
    found = parser.decode(outputs, dataset(records, rows))
    conllu = found[0].pop("conllu")
    assert found == [
        {"index": 0, "words": ["我", "爱"], "heads": [2, 0], "relations": ["nsubj", "root"]},
        {"index": 1, "words": ["cats"], "heads": [0], "relations": ["root"]},
        {"index": 2, "words": [], "heads": [], "relations": []},
    ]
    expected = [
        "# text = 我爱",
        line(["1", "我", "我", "PRON", "_", "_", "2", "nsubj", "_", "SpaceAfter=No"]),
        line(["2", "爱", "爱", "VERB", "_", "_", "0", "root", "0:root", "_"]),
    ]
    assert conllu == "\n".join(expected) + "\n\n"
    files = parser.prediction_files([{**found[0], "conllu": conllu}, found[1]])
    assert files["predictions.conllu"] == conllu + line(["1", "cats", *"____", "0", "root", "_", "_"]) + "\n\n"
    assert parser.describe(found[0]) == ["我  nsubj  爱", "爱  root"]


def test_a_line_separator_inside_a_form_ends_no_line():
    records = [{"words": ["a\u2028b"], "source_lines": ["\t".join(["1", "a\u2028b", *"________"])]}]
    parser = Parser(CONFIG, LABELS)
    found = parser.decode([output([0], [0], 1)], dataset(records, [(0, [-1, 0, -1])]))
    assert parser.text_in(".conllu", found) == found[0]["conllu"]
    assert parser.text_in(".xml", found) is None


def test_windows_have_trees_of_their_own_that_hang_from_the_first():
    records = [{"words": list("abcd")}]
    rows = [(0, [-1, 0, 1, -1]), (0, [-1, 2, 3, -1])]
    found = Parser(CONFIG, LABELS).decode(
        [output([2, 0], [0, 0], 2), output([0, 1], [0, 1], 2)], dataset(records, rows)
    )
    assert found[0]["heads"] == [2, 0, 2, 3]
    assert found[0]["relations"] == ["det", "root", "parataxis", "nsubj"]


def test_relations_without_a_root_are_all_possible(layers):
    parser = Parser(CONFIG, LabelMap(("HED", "SBV", "VOB", "ATT")))
    [found] = parser.decode([output([0, 1], [0, 1], 2)], dataset([{"words": ["去", "我"]}], [(0, [-1, 0, 1, -1])]))
    assert found["relations"] == ["HED", "SBV"]
    assert parser.decoding_rules == {"root_relation": None, "joins": None}


def test_wrong_heads_are_wrong_tags():
    parser = Parser(CONFIG, LABELS)
    predictions = [{"words": ["a", "b", "c"], "heads": [2, 0, 1], "relations": ["det", "root", "nsubj"]}]
    records = [{"words": ["a", "b", "c"], "heads": [2, 0, 2], "labels": ["nsubj", "root", "nsubj"]}]
    compared = parser.compare(predictions, records)
    assert compared.gold_tags == [["nsubj", "root", "nsubj"]]
    assert compared.predicted_tags == [["det", "root", "(another head)"]]


def test_more_relations_than_classes():
    with pytest.raises(ConfigError, match="n_classes"):
        Parser(ParserFields(n_classes=2), LABELS)


def test_sizes_are_part_of_the_heads_shape():
    shapes = {Parser(ParserFields(arc_size=arc, relation_size=relation), LABELS).head_shape(BACKBONE)
              for arc, relation in [(6, 4), (7, 4), (6, 5)]}  # fmt: skip
    assert len(shapes) == 3
