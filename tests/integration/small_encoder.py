"""A Hugging Face folder with a very small random BERT, to stand where the examples expect MiniLM."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

HIDDEN, LAYERS, INNER, POSITIONS = 32, 2, 64, 512


def write_small_encoder(folder: Path, vocabulary: Path, layers: int = LAYERS) -> None:
    """Write config.json, vocab.txt and model.safetensors with random weights."""
    folder.mkdir(parents=True)
    text = vocabulary.read_text(encoding="utf-8")
    (folder / "vocab.txt").write_text(text, encoding="utf-8")
    rows = len(text.splitlines())
    config = {
        "vocab_size": rows, "hidden_size": HIDDEN, "num_hidden_layers": layers, "num_attention_heads": 4,
        "intermediate_size": INNER, "max_position_embeddings": POSITIONS, "type_vocab_size": 2,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(random_weights(rows, layers), folder / "model.safetensors")


def random_weights(rows: int, layers: int = LAYERS) -> dict[str, np.ndarray]:
    """Weights under Hugging Face's names, dense ones `[out in]`."""
    dense = {"pooler.dense": (HIDDEN, HIDDEN)}
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{number}" for number in range(layers)):
        dense |= {f"{layer}.attention.self.{part}": (HIDDEN, HIDDEN) for part in ("query", "key", "value")}
        dense |= {
            f"{layer}.attention.output.dense": (HIDDEN, HIDDEN),
            f"{layer}.intermediate.dense": (INNER, HIDDEN),
            f"{layer}.output.dense": (HIDDEN, INNER),
        }
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    tables = {"word": rows, "position": POSITIONS, "token_type": 2}
    shapes = {f"embeddings.{name}_embeddings.weight": (count, HIDDEN) for name, count in tables.items()}
    shapes |= {f"{name}.weight": shape for name, shape in dense.items()}
    generator = np.random.default_rng(1)
    weights = {name: generator.normal(0, 0.05, shape).astype("float32") for name, shape in shapes.items()}
    weights |= {f"{name}.bias": np.zeros(shape[0], "float32") for name, shape in dense.items()}
    weights |= {f"{name}.weight": np.ones(HIDDEN, "float32") for name in norms}
    return weights | {f"{name}.bias": np.zeros(HIDDEN, "float32") for name in norms}
