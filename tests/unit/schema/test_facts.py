"""Every key carries what general modules need to know: its scope, what a change does to a resume, when it is read."""

import importlib
import inspect
from collections.abc import Iterator
from dataclasses import fields
from typing import Annotated

import pytest
from pydantic import Field
from pydantic.fields import FieldInfo

from palm.config.components import all_schemas, keys_everywhere
from palm.schema import facts
from palm.schema.facts import ALWAYS, ON, Key, KeyFacts, keys_where, when
from palm.schema.fields import ReaderFields, Schema, exported_keys

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


def test_every_key_has_its_facts():
    assert [name for name, field in keys() if facts_of(field) is None] == []


def test_facts_are_those_that_are_known():
    known = [(name, found) for name, field in keys() if (found := facts_of(field))]
    assert [name for name, found in known if getattr(found, "scope", None) not in SCOPES] == []
    assert [name for name, found in known if getattr(found, "resume", None) not in EFFECTS] == []
    assert [name for name, found in known if not getattr(found, "read", None)] == []


def test_the_keys_of_components_are_looked_at():
    found = {name for name, _ in keys()}
    assert {"TrainSettings.num_epochs", "TaskSettings.batch_size", "ReaderFields.max_seq_len"} <= found
    assert {"ParadigmFields.sharing", "BackboneFields.hidden_size"} <= found
    assert len(found) > 100


def test_registered_components_have_facts_whoever_wrote_them():
    missing = [key for _, schema in all_schemas() for key, field in schema.model_fields.items() if not facts_of(field)]
    assert missing == []


@pytest.mark.parametrize("fact", ["changes", "resume", "export", "by_metrics"])
def test_a_key_has_the_same_facts_wherever_it_is_declared(fact):
    found = {}
    for owner, schema in all_schemas():
        for key, field in schema.model_fields.items():
            found.setdefault(key, {})[owner] = getattr(facts.facts_of(field), fact)
    assert {key: owners for key, owners in found.items() if len(set(owners.values())) > 1} == {}


class Marked(ReaderFields):
    """A user's keys: one without facts, one with, one of the base's declared anew."""

    plain: int = Field(1, description="A key.")
    shown: Annotated[int, Key(changes="nothing", read=(when(plain=ON),))] = Field(1, description="Another.")
    for_cn: bool = Field(True, description="Chinese mode.")


class Again(Marked):
    """The same keys, one of them with other facts."""

    shown: Annotated[int, Key(changes="metrics", resume="nothing", export="no")] = Field(1, description="Another.")


def test_a_key_without_facts_has_those_of_its_base():
    assert facts.facts_of(Marked.model_fields["plain"]) == KeyFacts(scope="task", changes="result", resume="result")
    assert facts.facts_of(Marked.model_fields["for_cn"]).export == "fixed"
    assert facts.facts_of(ReaderFields.model_fields["max_seq_len"]).read == ALWAYS


def test_marks_go_over_the_facts_of_the_base():
    marked = facts.facts_of(Marked.model_fields["shown"])
    assert (marked.scope, marked.changes, marked.resume, marked.read) == (
        "task",
        "nothing",
        "nothing",
        (when(plain=ON),),
    )
    again = facts.facts_of(Again.model_fields["shown"])
    assert (again.scope, again.changes, again.resume) == ("task", "metrics", "nothing")
    assert again.read == (when(plain=ON),)
    assert sum(isinstance(mark, Key | KeyFacts) for mark in Again.model_fields["shown"].metadata) == 1


def test_a_mark_may_give_every_fact():
    assert [each.name for each in fields(Key)] == [each.name for each in fields(KeyFacts)]


def test_a_schema_without_facts_counts_as_what_changes_results():
    class Foreign(Schema):
        """A user's, on the bare base."""

        size: int = Field(1, description="A key.")

    assert facts.facts_of(Foreign.model_fields["size"]).resume == "result"


def test_exported_keys_leave_out_what_stays_here():
    assert exported_keys(Again(plain=2))["plain"] == 2
    assert "shown" not in exported_keys(Again())
    assert keys_where(Again.model_fields, export="no") == ["shown"]


NOTHING_ON_RESUME = {
    "allow_changed_data", "allow_unmeasured", "freeze_encoder_of", "inference_model_dir", "keep_checkpoints",
    "log_gradient_cosines_every_n_steps", "keep_columns", "max_drop", "max_unk_fraction", "on_nan",
    "pred_batch_size", "pred_file", "pred_output_path", "precision", "pretrain_model_path", "print_every_n_steps",
    "print_first_n", "report_to", "resume", "run_name", "save_every_n_steps",
    "save_infermodel_every_n_steps", "save_path", "with_embedding",
}  # fmt: skip
METRICS_ON_RESUME = {
    "dev_file", "eval_at_epoch_ends", "eval_every_n_steps", "metric_for_best_model", "metrics", "selection",
}  # fmt: skip


def test_what_may_change_on_resume():
    assert keys_everywhere(resume="nothing") == NOTHING_ON_RESUME
    assert keys_everywhere(resume="metrics") == METRICS_ON_RESUME


def test_what_changes_no_metric_from_the_start():
    quiet = NOTHING_ON_RESUME - {
        "freeze_encoder_of", "log_gradient_cosines_every_n_steps", "on_nan", "pred_batch_size", "pretrain_model_path",
        "save_every_n_steps",
    }  # fmt: skip
    assert keys_everywhere(changes="nothing") == quiet


def test_what_an_exported_model_does_with_keys():
    paths = {"train_file", "dev_file", "pred_file", "pred_output_path", "inference_model_dir", "vocab_path"}
    further_rows = {"augment_type", "augment_method", "num_augment", "word_augment_percent", "pseudo_data_path"}
    rates = {"ppt_learning_rate", "ppt_weight_decay", "ppt_adam_beta1", "ppt_adam_beta2", "ppt_adam_epsilon"}
    training = further_rows | rates | {"freeze_plm", "freeze_dropout"}
    assert keys_everywhere(export="no") == paths | training | {
        "allow_unmeasured", "keep_columns", "kernels", "max_drop", "max_unk_fraction", "precision", "recompute",
    }  # fmt: skip
    of_prompts = {"prompt", "prompt_kind", "prompt_path", "prompt_index", "label_file", "label_words"}
    of_heads = {"soft_encoder", "encoder_hidden_size", "logistic_c", "logistic_rows"}
    assert keys_everywhere(export="kept") == {"sharing", "sharing_size", "sharing_layers"} | of_prompts | of_heads
    assert keys_everywhere(export="fixed") == {"do_lower_case", "for_cn", "layer", "layers", "pair_kind"} | {
        "decoder_layers", "max_target_len", "span_head_size", "span_scorer",
    }  # fmt: skip


def test_what_is_of_the_whole_run():
    settings = {
        "save_path", "resume", "imports", "encoder", "backbone", "backbone_config_path", "pretrain_model_path",
            "vocab_path", "freeze_encoder_of",
    }  # fmt: skip
    schemas = dict(all_schemas())
    assert {*keys_where(schemas["run"].model_fields, scope="run"), "resume"} == settings
    per_stage = keys_where(schemas["backbone bert"].model_fields, scope="stage")
    dropout = {"hidden_dropout_prob", "attention_probs_dropout_prob"}
    assert set(per_stage) == dropout | {"initializer_range", "kernels", "recompute"}


def test_what_a_task_alone_leaves_at_its_default():
    of_run = {"mode", "sampling", "weighting", "metric_for_best_model", "selection", "selection_patience"}
    of_task = {"target", "share_head_with", "share_rows_with", "loss_weight", "early_stopping_patience"}
    assert keys_everywhere(alone="default") == of_run | of_task | {"log_gradient_cosines_every_n_steps"}


def test_what_makes_a_run_go_by_its_metrics():
    wanted = {"export", "metric_for_best_model", "selection", "early_stopping_patience"}
    assert keys_everywhere(by_metrics=True) == wanted
