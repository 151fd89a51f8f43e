import numpy as np
import pytest

from benchmarks.speed.matmul_floor import layer_products
from benchmarks.speed.workloads import write_fixed_rows
from palm.data.tokenizer import Tokenizer
from palm.data.vocab import load_vocab


def test_fixed_rows_have_as_many_pieces_as_asked_for(tmp_path, repository):
    vocab = repository / "data/vocab/vocab_en.txt"
    write_fixed_rows(tmp_path / "rows.tsv", vocab, rows=10, pieces=14, classes=3)

    header, *lines = (tmp_path / "rows.tsv").read_text(encoding="utf-8").splitlines()
    tokenizer = Tokenizer(load_vocab(vocab), do_lower_case=True, for_cn=False)
    labels, texts = zip(*(line.split("\t") for line in lines), strict=True)
    assert header == "label\ttext_a"
    assert labels == tuple("0120120120")
    assert [len(tokenizer.encode_ids((text,))[0]) for text in texts] == [14] * 10


def test_the_floor_counts_every_product_once():
    backbone_config = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 32}
    batch, seq = 3, 5
    flops = 0
    for one, other, transpose_one, transpose_other in layer_products(backbone_config, batch=batch, seq=seq):
        left = np.zeros(one).swapaxes(-1, -2) if transpose_one else np.zeros(one)
        right = np.zeros(other).swapaxes(-1, -2) if transpose_other else np.zeros(other)
        flops += 2 * (left @ right).size * left.shape[-1]

    # Forward: 12 hidden² weights per token, and two products of seq × seq × hidden per sequence; backward: twice that.
    forward = 2 * batch * seq * 12 * 8**2 + 2 * batch * 2 * seq**2 * 8
    assert flops == pytest.approx(3 * forward)
