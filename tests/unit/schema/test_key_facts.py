"""Every key carries what general modules need to know: its scope, what a change does to a resume, when it is read."""

import importlib
import inspect
from collections.abc import Iterator

import pytest
from pydantic.fields import FieldInfo

from palm.schema.fields import Schema

# Packages whose import registers the components, and so defines their keys.
PACKAGES = (
    "backbone", "balancing.gradients", "balancing.sampling", "balancing.weighting", "engine.optim.optimizer",
    "engine.schedule", "metric", "paradigm", "reader", "schema.settings",
)  # fmt: skip
SCOPES = {"run", "stage", "task"}
EFFECTS = {"nothing", "metrics", "result"}


def facts_of(field: FieldInfo) -> object | None:
    """The facts of a key: the `KeyFacts` among its metadata."""
    return next((mark for mark in field.metadata if type(mark).__name__ == "KeyFacts"), None)


def keys() -> Iterator[tuple[str, FieldInfo]]:
    """`Schema.key` and field of every key of PALM's, each where it is declared first."""
    for name in PACKAGES:
        importlib.import_module(f"palm.{name}")
    waiting = [Schema]
    for schema in waiting:
        waiting += schema.__subclasses__()
        if schema.__module__.startswith("palm."):
            own = inspect.get_annotations(schema).keys() & schema.model_fields.keys()
            yield from ((f"{schema.__name__}.{key}", schema.model_fields[key]) for key in sorted(own))


@pytest.mark.xfail(reason="keys do not carry their facts yet")
def test_every_key_has_its_facts():
    assert [name for name, field in keys() if facts_of(field) is None] == []


def test_facts_are_those_that_are_known():
    known = [(name, facts) for name, field in keys() if (facts := facts_of(field))]
    assert [name for name, facts in known if getattr(facts, "scope", None) not in SCOPES] == []
    assert [name for name, facts in known if getattr(facts, "resume", None) not in EFFECTS] == []
    assert [name for name, facts in known if not getattr(facts, "read", None)] == []


def test_the_keys_of_components_are_looked_at():
    found = {name for name, _ in keys()}
    assert {"TrainSettings.num_epochs", "TaskSettings.batch_size", "ReaderFields.max_seq_len"} <= found
    assert {"ParadigmFields.sharing", "BackboneFields.hidden_size"} <= found
    assert len(found) > 100
