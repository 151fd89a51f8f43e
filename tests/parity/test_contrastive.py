"""Losses and vectors of the paradigms `embed` and `embed_pairs` are those of sentence-transformers.

Its losses are short functions of PyTorch; they stand here as their source has them (sentence-transformers 3.3,
`losses/CosineSimilarityLoss.py`, `losses/MultipleNegativesRankingLoss.py`,
`losses/MultipleNegativesSymmetricRankingLoss.py`, `util.py`, `models/Pooling.py`).
"""

from pathlib import Path

import numpy as np
import paddle
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install .[parity]")
transformers = pytest.importorskip("transformers", reason="needs transformers: pip install .[parity]")

import palm  # noqa: E402 (needs the two above)
from palm.paradigm.embed import EmbedFields, TextEmbedding  # noqa: E402
from palm.paradigm.embed_pairs import EmbedPairsFields, PairEmbedding  # noqa: E402
from palm.paradigm.embedding import EMBEDDINGS  # noqa: E402

ROWS = 7


def vectors(seed):
    return np.random.default_rng(seed).normal(size=(ROWS, 12)).astype("float32")


def cos_sim(a, b):
    return torch.mm(torch.nn.functional.normalize(a, dim=1), torch.nn.functional.normalize(b, dim=1).t())


def cosine_similarity_loss(a, b, labels):
    return torch.nn.MSELoss()(torch.cosine_similarity(a, b), labels.float().view(-1))


def multiple_negatives_ranking_loss(a, b, scale):
    scores = cos_sim(a, b) * scale
    return torch.nn.CrossEntropyLoss()(scores, torch.arange(0, scores.size(0)))


def multiple_negatives_symmetric_ranking_loss(a, b, scale):
    scores = cos_sim(a, b) * scale
    labels = torch.arange(0, scores.size(0))
    cross_entropy = torch.nn.CrossEntropyLoss()
    return (cross_entropy(scores, labels) + cross_entropy(scores[:, 0 : len(labels)].transpose(0, 1), labels)) / 2


def compare(paradigm, gold, theirs):
    """Loss and gradients of PALM, and of `theirs` on the same vectors."""
    arrays = [vectors(1), vectors(2)]
    ours = paddle.to_tensor(np.concatenate(arrays), stop_gradient=False)
    text_rows = paddle.to_tensor(np.arange(2 * ROWS).reshape(2, ROWS).T.copy())
    loss = paradigm.loss({EMBEDDINGS: ours}, {"text_rows": text_rows, **gold})
    loss.backward()
    a, b = (torch.tensor(array, requires_grad=True) for array in arrays)
    expected = theirs(a, b)
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), abs=1e-6)
    np.testing.assert_allclose(ours.grad.numpy(), np.concatenate([a.grad.numpy(), b.grad.numpy()]), atol=1e-6)


def test_cosine_similarity_loss_of_scored_pairs():
    scores = np.linspace(-1, 1, ROWS).astype("float32")
    gold = {"label_values": paddle.to_tensor(scores)}
    compare(
        PairEmbedding(EmbedPairsFields(pair_kind="scored")),
        gold,
        lambda a, b: cosine_similarity_loss(a, b, torch.tensor(scores)),
    )


def test_cosine_similarity_loss_of_labelled_texts():
    scores = (np.arange(ROWS) % 2).astype("float32")
    gold = {"pair_scores": paddle.to_tensor(scores[:, None])}
    compare(TextEmbedding(EmbedFields()), gold, lambda a, b: cosine_similarity_loss(a, b, torch.tensor(scores)))


@pytest.mark.parametrize("scale", [20.0, 1.0])
def test_multiple_negatives_ranking_loss(scale):
    gold = {"anchor_mask": paddle.ones([ROWS])}
    one_way = PairEmbedding(EmbedPairsFields(similarity_scale=scale))
    compare(one_way, gold, lambda a, b: multiple_negatives_ranking_loss(a, b, scale))
    both = PairEmbedding(EmbedPairsFields(similarity_scale=scale, symmetric_loss=True))
    compare(both, gold, lambda a, b: multiple_negatives_symmetric_ranking_loss(a, b, scale))


TEXTS = ["what flights leave boston for denver on tuesday morning ?", "the first one leaves at seven", "模型 bert", "a"]


def test_texts_are_encoded_as_by_a_mean_over_the_tokens_of_transformers(shared: Path, tmp_path: Path):
    """The modules Transformer and Pooling (`pooling_mode_mean_tokens`), and Normalize on request."""
    folder = shared / "models" / "bert-tiny-mlm-en"
    train = tmp_path / "train.tsv"
    train.write_text("label\ttext_a\n" + "".join(f"{n % 2}\t{text}\n" for n, text in enumerate(TEXTS)), "utf-8")
    tasks = {"few": {"reader": "embed", "paradigm": "embed", "train_file": str(train)}}
    frozen = {"freeze_layers": 2, "freeze_embeddings": True}
    config = {"tasks": tasks, "pretrain_model_path": str(folder), "vocab_path": str(folder / "vocab.txt"), **frozen}
    config |= {"save_path": str(tmp_path / "out"), "max_steps": 1, "use_gpu": False, "max_seq_len": 16, "amp": "off"}
    palm.Controller({**config, "do_lower_case": True}, overrides=[]).train()

    reference = transformers.BertModel.from_pretrained(folder).eval()
    tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"), do_lower_case=True)
    found = tokenizer(TEXTS, padding=True, truncation=True, max_length=16, return_tensors="pt")
    with torch.no_grad():
        hidden = reference(**found).last_hidden_state
    mask = found["attention_mask"].unsqueeze(-1).float()
    expected = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)

    model = palm.load(tmp_path / "out")
    np.testing.assert_allclose(model.encode(TEXTS), expected.numpy(), atol=1e-5)
    units = torch.nn.functional.normalize(expected, dim=1).numpy()
    np.testing.assert_allclose(model.encode(TEXTS, normalize_embeddings=True), units, atol=1e-5)
