"""Facts about a key besides its type, for general code: its scope, what a change affects, when it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from pydantic.fields import FieldInfo

Scope = Literal["run", "stage", "task"]
"""The level at which a key is set: the run with all its stages, each stage, or each task."""

Effect = Literal["nothing", "metrics", "result"]
"""What another value affects: nothing, the metrics on dev_file, or the trained and exported models."""

Export = Literal["no", "open", "kept", "fixed"]
"""How an exported model treats a key: it does not contain it; it contains it, and a configuration for prediction may
override it; it keeps its own value regardless of the configuration; or it refuses another value.
"""

ON: tuple[object, ...] = ()
"""Stands for all values that enable a key: set, not empty, and above 0."""

FURTHER_TASKS = "further_tasks"
"""Stands for a key with the number of other tasks that are trained."""


@dataclass(frozen=True)
class When:
    """A condition under which a key is read.

    Attributes:
        choices: Other keys, and the values of these with which the key is read; one of them is enough.
        always: Values of the key itself that are read whatever the choices are.
    """

    choices: Mapping[str, tuple[object, ...]]
    always: tuple[object, ...] = ()


def when(*, always: tuple[object, ...] = (), **choices: object) -> When:
    """`when(sharing=("adapter", "lora"))`, `when(target=True)`, `when(dev_file=ON)`."""
    values = {key: value if isinstance(value, tuple) else (value,) for key, value in choices.items()}
    return When(values, always)


ALWAYS = (When({}),)


@dataclass(frozen=True)
class KeyFacts:
    """The facts of a key.

    Attributes:
        scope: The level at which the key is set.
        changes: What another value affects in a new run.
        resume: What another value affects in a resumed run.
        read: Conditions under which the key is read; all must hold.
        export: How an exported model treats it.
        by_metrics: Whether a value of it makes the run depend on its dev metrics.
        alone: Its value when `palm compare` trains a task alone: as in the run, or the default.
        with_tasks: The default in a configuration with `tasks:` and without `task_instance`, where it differs from that
            of PaddlePALM's manual.
    """

    scope: Scope
    changes: Effect = "result"
    resume: Effect = "result"
    read: tuple[When, ...] = ALWAYS
    export: Export = "open"
    by_metrics: bool = False
    alone: Literal["same", "default"] = "same"
    with_tasks: object = None


@dataclass(frozen=True)
class Key:
    """Marks a key with the facts that differ from its schema's `key_facts`.

    `save_path: Annotated[str, Key(changes="nothing")]`. The attributes are those of `KeyFacts`; if only `changes`
    is given, `resume` is the same.
    """

    scope: Scope | None = None
    changes: Effect | None = None
    resume: Effect | None = None
    read: tuple[When, ...] | None = None
    export: Export | None = None
    by_metrics: bool | None = None
    alone: Literal["same", "default"] | None = None
    with_tasks: object = None

    def over(self, usual: KeyFacts) -> KeyFacts:
        """The facts, with those that are not given taken from `usual`."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.resume is None:
            given["resume"] = self.changes
        return replace(usual, **{name: value for name, value in given.items() if value is not None})


def facts_of(key: FieldInfo) -> KeyFacts:
    """The facts of a key of a schema; the most conservative ones if a user's schema states none."""
    return next((mark for mark in key.metadata if isinstance(mark, KeyFacts)), KeyFacts(scope="stage"))


def complete_facts(key: FieldInfo, usual: KeyFacts | None) -> None:
    """Add the facts of `key` to its field: its own over `usual`; no change if there are none."""
    if usual is None:
        return
    mark = next((mark for mark in key.metadata if isinstance(mark, Key)), Key())
    others = [mark for mark in key.metadata if not isinstance(mark, Key | KeyFacts)]
    key.metadata = [*others, mark.over(usual)]


def keys_where(schema: Mapping[str, FieldInfo], **wanted: object) -> list[str]:
    """The keys with these facts: `keys_where(Config.model_fields, export="no")`."""
    return [
        key for key, info in schema.items() if all(getattr(facts_of(info), name) == wanted[name] for name in wanted)
    ]
