"""What general code asks about a key beside its type: whose it is, what another value changes, when it is read."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from pydantic.fields import FieldInfo

Scope = Literal["run", "stage", "task"]
"""Who may have a value of its own: the run with all of its stages, each stage, or each task."""

Effect = Literal["nothing", "metrics", "result"]
"""What another value changes: nothing, what evaluations on dev_file report, or what is trained and exported."""

Export = Literal["no", "open", "kept", "fixed"]
"""What an exported model does with a key: it lacks it; it has it, and a configuration that predicts may set another
value; it keeps its own value whatever the configuration says; or it refuses another value.
"""

ON: tuple[object, ...] = ()
"""Stands for the values that switch a key on: not unset, not empty, and above 0."""

FURTHER_TASKS = "further_tasks"
"""Stands for a key that says how many tasks are trained beside a task."""


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
        scope: Who may have a value of its own.
        changes: What another value changes in a run from its start.
        resume: What it changes in a run that is resumed with it.
        read: Conditions that all hold where the key is read.
        export: What an exported model does with it.
        by_metrics: Whether a value of it makes the run's course depend on its dev metrics.
        alone: What it is where `palm compare` trains a task alone: as in the run, or the default.
    """

    scope: Scope
    changes: Effect = "result"
    resume: Effect = "result"
    read: tuple[When, ...] = ALWAYS
    export: Export = "open"
    by_metrics: bool = False
    alone: Literal["same", "default"] = "same"


@dataclass(frozen=True)
class Key:
    """Marks a key with the facts that are other than those of its schema's `key_facts`.

    `save_path: Annotated[str, Key(changes="nothing")]`. The attributes are those of `KeyFacts`; where `changes` alone
    is given, `resume` is the same.
    """

    scope: Scope | None = None
    changes: Effect | None = None
    resume: Effect | None = None
    read: tuple[When, ...] | None = None
    export: Export | None = None
    by_metrics: bool | None = None
    alone: Literal["same", "default"] | None = None

    def over(self, usual: KeyFacts) -> KeyFacts:
        """The facts, those that are not given here from `usual`."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.resume is None:
            given["resume"] = self.changes
        return replace(usual, **{name: value for name, value in given.items() if value is not None})


def facts_of(key: FieldInfo) -> KeyFacts:
    """The facts of a key of a schema; those of the most careful kind where a user's schema states none."""
    return next((mark for mark in key.metadata if isinstance(mark, KeyFacts)), KeyFacts(scope="stage"))


def complete_facts(key: FieldInfo, usual: KeyFacts | None) -> None:
    """Give `key` its facts: those that it marks itself, over `usual`; nothing where there are none."""
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
