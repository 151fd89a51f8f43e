"""Texts to vectors, `palm.load(…).encode(texts)`, as `SentenceTransformer.encode` of sentence-transformers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from palm.data.dataset import ROWS, Batch, Dataset, Ragged
from palm.data.sequences import pad_inputs, single_row
from palm.engine.task_instance import TaskInstance
from palm.errors import ConfigError, DataError, Problem
from palm.inference.runtime import PalmRuntime, Runtime
from palm.paradigm.embed_pairs import EmbedPairsFields, PairEmbedding
from palm.paradigm.embedding import EMBEDDINGS, Embedding, of_unit_length


def encode_texts(
    texts: Sequence[str], task: TaskInstance, runtime: Runtime, *, normalize: bool, batch_size: int
) -> np.ndarray:
    """A vector for each text, in order: float32[text hidden].

    That of the task's head if it embeds texts; else the mean over the tokens, [CLS] and [SEP] included, of what the
    task's head sees of the encoder. A text is cut to the task's max_seq_len.

    Args:
        texts: The texts.
        task: The task.
        runtime: Computes its encoder.
        normalize: Whether the vectors have length 1.
        batch_size: Texts of one pass.

    Raises:
        ConfigError: An exported graph without embeddings, or a batch size below 1.
        DataError: A text that is no string.
    """
    _check(texts, batch_size)
    if not len(texts):
        return encode_texts([""], task, runtime, normalize=normalize, batch_size=batch_size)[:0]
    instance = _embedding_task(task, runtime)
    reader = task.reader
    pieces = reader.tokenizer.encode_ids(list(texts))
    rows = [single_row(ids, reader.tokenizer, reader.config.max_seq_len) for ids in pieces]
    dataset = Dataset({"token_ids": Ragged.from_rows(rows), "record": np.arange(len(rows))}, [], ROWS)
    order = np.argsort(-dataset.lengths, kind="stable")
    parts = []
    for start in range(0, len(order), batch_size):
        batch: Batch = pad_inputs(dataset, order[start : start + batch_size], pad_id=reader.tokenizer.pad_id)
        [outputs] = runtime.outputs([instance], batch, "predict")
        parts.append(outputs[EMBEDDINGS])
    found = np.empty((len(order), parts[0].shape[1]), "float32")
    found[order] = np.concatenate(parts)
    return of_unit_length(found).astype("float32") if normalize else found


def task_to_encode(tasks: Mapping[str, TaskInstance], name: str | None) -> str:
    """The task whose vectors `encode` gives: `name`, else the one that embeds texts, else one on the plain encoder.

    Raises:
        ConfigError: There is no such task, or several could be meant.
    """
    if name is not None:
        return name
    embedding = [task for task, instance in tasks.items() if isinstance(instance.paradigm, Embedding)]
    if len(embedding) == 1:
        return embedding[0]
    plain = [task for task, instance in tasks.items() if _sees_the_plain_encoder(instance)]
    if plain and not embedding:
        return plain[0]
    found = ", ".join(embedding or tasks)
    rule = "texts have a vector for each task that embeds them, or that has parts of its own in the encoder."
    raise ConfigError(Problem("encode", f"{rule} Found {found}. Name one: encode(texts, task=…)."))


def _sees_the_plain_encoder(task: TaskInstance) -> bool:
    config = task.paradigm.config
    return config.sharing == "hard" and config.layers == ["last"] and task.settings.layer == -1


def _embedding_task(task: TaskInstance, runtime: Runtime) -> TaskInstance:
    """The task itself if it embeds texts, else one that takes the mean of what its head sees of the encoder."""
    if isinstance(task.paradigm, Embedding):
        return task
    if not isinstance(runtime, PalmRuntime):
        rule = f"a graph embeds texts with the heads that do; that of `{task.name}` does not."
        raise ConfigError(Problem("encode", f"{rule} Load the trained model, without runtime `{runtime.name}`."))
    return replace(task, paradigm=PairEmbedding(EmbedPairsFields()))


def _check(texts: Sequence[str], batch_size: int) -> None:
    if batch_size < 1:
        rule = "batch_size is the number of texts of one pass, at least 1."
        raise ConfigError(Problem("encode", f"{rule} Found {batch_size}."))
    if isinstance(texts, str):
        raise ConfigError(Problem("encode", "texts is a list of strings. Found a string. Pass [text]."))
    given: Sequence[object] = texts
    for number, text in enumerate(given):
        if not isinstance(text, str):
            rule = f"a text is a string, found {type(text).__name__} `{text!r:.60}`."
            raise DataError(Problem(f"texts[{number}]", f"{rule} Convert it."))
