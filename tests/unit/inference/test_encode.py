"""Texts to vectors: whose vectors, in which order, and what is refused."""

import numpy as np
import pytest

from palm.data.tokenizer import Tokenizer
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, DataError
from palm.inference.encode import encode_texts, task_to_encode
from palm.paradigm import PARADIGMS
from palm.paradigm.embedding import EMBEDDINGS
from palm.reader import READERS
from palm.schema.settings import TaskSettings

TOKENIZER = Tokenizer(
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "红", "鱼", "fish"], do_lower_case=True, for_cn=False
)


class SumOfTokens:
    """A runtime whose vector of a text is the sum of its token ids, and 1; it notes the sizes of batches."""

    name = "sums"

    def __init__(self):
        self.sizes = []

    def outputs(self, tasks, batch, phase):
        assert phase == "predict"
        self.sizes.append(len(batch["token_ids"]))
        total = (batch["token_ids"] * batch["input_mask"]).sum(axis=1)
        return [{EMBEDDINGS: np.stack([total, np.ones_like(total)], axis=1).astype("float32")} for _ in tasks]


def task(name="few", paradigm="embed_pairs", **keys):
    layer = keys.pop("layer", -1)
    made = PARADIGMS[paradigm](PARADIGMS[paradigm].Config(**keys))
    settings = TaskSettings(reader="cls", paradigm=paradigm, layer=layer)
    return TaskInstance(name, settings, READERS["cls"](READERS["cls"].Config(max_seq_len=4), TOKENIZER), made, name, 0)


def encoded(texts, *, runtime=None, normalize=False, batch_size=2):
    return encode_texts(texts, task(), runtime or SumOfTokens(), normalize=normalize, batch_size=batch_size)


def test_vectors_are_in_the_order_of_the_texts():
    runtime = SumOfTokens()
    found = encoded(["鱼", "红鱼 fish", "", "fish"], runtime=runtime)
    # [CLS] is 2, [SEP] 3; the second text is cut to 4 tokens.
    assert found.tolist() == [[11, 1], [16, 1], [5, 1], [12, 1]]
    assert found.dtype == np.float32
    assert runtime.sizes == [2, 2]


def test_vectors_of_length_one_on_request():
    found = encoded(["鱼"], normalize=True)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[11 / 122**0.5, 1 / 122**0.5]], rtol=1e-6)


def test_no_texts_have_vectors_of_the_same_width():
    assert encoded([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("texts", "error", "rule"),
    [
        ("红鱼", ConfigError, r"encode: texts is a list of strings. Found a string. Pass \[text\]"),
        (["红", 7], DataError, r"texts\[1\]: a text is a string, found int `7`"),
        (["红", None], DataError, r"texts\[1\]: a text is a string, found NoneType"),
    ],
)
def test_what_is_no_text_is_refused(texts, error, rule):
    with pytest.raises(error, match=rule):
        encoded(texts)


def test_a_batch_has_a_text():
    with pytest.raises(ConfigError, match=r"batch_size is the number of texts of one pass, at least 1. Found 0"):
        encoded(["红"], batch_size=0)


def test_a_graph_of_another_head_has_no_embeddings():
    with pytest.raises(ConfigError, match=r"that of `few` does not. Load the trained model, without runtime `sums`"):
        encode_texts(["红"], task(paradigm="regression"), SumOfTokens(), normalize=False, batch_size=1)


def test_whose_vectors_they_are():
    def chosen(*tasks, name=None):
        return task_to_encode({each.name: each for each in tasks}, name)

    plain, lower = task("plain", "regression"), task("lower", "regression", layer=0)
    adapted, pairs = task("adapted", "regression", sharing="adapter"), task("pairs")
    assert chosen(adapted, plain, pairs) == "pairs"
    assert chosen(adapted, lower, plain) == "plain"
    assert chosen(pairs, plain, name="plain") == "plain"
    for tasks, listed in (((pairs, task("more")), "pairs, more"), ((adapted, lower), "adapted, lower")):
        with pytest.raises(ConfigError, match=rf"Found {listed}. Name one: encode\(texts, task=…\)"):
            chosen(*tasks)
