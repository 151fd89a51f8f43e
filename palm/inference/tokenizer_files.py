"""The tokenizers in a model's folder: one for all tasks that it serves, and others in folders inside it."""

from collections.abc import Sequence
from pathlib import Path

from palm.data.tokenizer import Tokenizer
from palm.engine.task_instance import TaskInstance
from palm.storage.atomic_directory import sha256_of

_FOLDER = "tokenizer"

TokenizerEntry = dict[str, str]
"""`name` and `sha256` of a tokenizer's main file."""


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> TokenizerEntry:
    """Write a tokenizer; how config.json describes it."""
    file = folder / tokenizer.save(folder)
    return {"name": file.name, "sha256": sha256_of(file)}


def save_own_tokenizers(tasks: Sequence[TaskInstance], folder: Path) -> list[dict[str, TokenizerEntry]]:
    """Write the tokenizers of tasks that differ from the one in `folder`, which is the first task's.

    Tasks may have other vocabularies, or other settings: whether a task with `do_lower_case` and one without it can use
    one file depends on the tokenizer. So the one that a task would load is compared with the one that it has.

    Returns:
        For each task what config.json says besides: `{"tokenizer": …}`, or nothing where it uses the first one's.
    """
    homes: dict[str, str] = {}
    found: list[dict[str, TokenizerEntry]] = []
    for task in tasks:
        tokenizer = task.reader.tokenizer
        key = f"{tokenizer.fingerprint} {task.reader.config.do_lower_case} {task.reader.config.for_cn}"
        if key not in homes:
            homes[key] = "" if _serves(folder, task) else f"{_FOLDER}.{len(homes) + 1}"
        home = homes[key]
        if home:
            (folder / home).mkdir(exist_ok=True)
            saved = save_tokenizer(tokenizer, folder / home)
            found.append({"tokenizer": {**saved, "name": f"{home}/{saved['name']}"}})
        else:
            found.append({})
    return found


def _serves(folder: Path, task: TaskInstance) -> bool:
    """Whether the tokenizer in `folder`, loaded with the keys of a task's reader, is the task's."""
    keys = task.reader.config
    loaded = Tokenizer.from_folder(folder, do_lower_case=keys.do_lower_case, for_cn=keys.for_cn)
    return loaded.fingerprint == task.reader.tokenizer.fingerprint
