"""Who wins, and how lists with one element a task become keys of each task."""

import itertools

import pytest

from palm.config.broadcast import broadcast, split_task_lists, task_names
from palm.config.files import load_global
from palm.config.overrides import parse_overrides
from palm.schema.values import Setting, settle_aliases, stack

PLACES = ("task flag", "flag", "task of the global file", "global file", "task file")


@pytest.mark.parametrize("present", [set(c) for n in range(1, 6) for c in itertools.combinations(range(5), n)])
def test_the_strongest_place_wins_and_remembers_what_it_hid(present: set[int]) -> None:
    words = (["--tasks.a.batch_size", "0"] if 0 in present else []) + (["--batch_size", "1"] if 1 in present else [])
    config: dict[str, object] = {"task_instance": "a, b"}
    if 2 in present:
        config["tasks"] = {"a": {"batch_size": "2"}}
    if 3 in present:
        config["batch_size"] = "3"
    files = {"a": {"batch_size": Setting("batch_size", "4", "a.yaml:1")}} if 4 in present else {}
    merged, problems = broadcast(["a", "b"], load_global(config), parse_overrides(words), files)
    order = [str(place) for place in sorted(present)]
    assert problems == []
    assert merged["a"]["batch_size"].setting.value == order[0]
    assert [setting.value for setting in merged["a"]["batch_size"].overridden] == order[1:]
    for_all = [place for place in order if place in "13"]
    assert ("batch_size" in merged["b"]) == bool(for_all)
    assert not for_all or merged["b"]["batch_size"].setting.value == for_all[0]


def lists(**keys: object) -> tuple[dict[str, dict[str, object]], list[str]]:
    layer = {key: Setting(key, value, "c.yaml:3") for key, value in keys.items()}
    split, problems = split_task_lists(layer, ["a", "b", "c"], "c.yaml")
    plain = {name: {key: setting.value for key, setting in keys.items()} for name, keys in split.items()}
    return plain, [str(problem) for problem in problems]


@pytest.mark.parametrize("written", ["1.0, 0.5,0.25", [1.0, 0.5, 0.25], ["1", "0.5", ".25"]])
def test_mix_ratio(written: object) -> None:
    assert lists(mix_ratio=written) == (
        {"a": {"mix_ratio": 1.0}, "b": {"mix_ratio": 0.5}, "c": {"mix_ratio": 0.25}},
        [],
    )


@pytest.mark.parametrize("written", ["1,0,0", [1, 0, 0], [True, False, False], "yes, no, no"])
def test_target_tag(written: object) -> None:
    assert lists(target_tag=written) == ({"a": {"target": True}, "b": {"target": False}, "c": {"target": False}}, [])


@pytest.mark.parametrize("written", ["0, 1, 0", [0, 1, 0], "共享, 单独, 共享"])
def test_task_reuse_tag(written: object) -> None:
    shared = {"a": {"share_head_with": None}, "b": {"share_head_with": None}, "c": {"share_head_with": "a"}}
    assert lists(task_reuse_tag=written) == (shared, [])


def test_a_single_number_is_the_list_of_a_single_task() -> None:
    layer = {"mix_ratio": Setting("mix_ratio", 2, "c.yaml:3")}
    split, problems = split_task_lists(layer, ["a"], "c.yaml")
    assert problems == []
    assert split["a"]["mix_ratio"].value == 2.0


@pytest.mark.parametrize("key", ["mix_ratio", "target_tag", "task_reuse_tag"])
def test_wrong_length_names_both_lengths(key: str) -> None:
    split, problems = lists(**{key: "1, 0"})
    assert split == {"a": {}, "b": {}, "c": {}}
    rule = f"c.yaml:3: {key} has one value per task. Found 2 for 3 in task_instance (a, b, c)."
    assert problems == [f"{rule} Make the lists equally long."]


def test_wrong_type_in_a_list() -> None:
    _, problems = lists(mix_ratio="1, much, 1")
    assert problems[0].startswith("c.yaml:3: mix_ratio is a list of numbers. Found `1, much, 1`.")


def test_task_names_come_from_task_instance_or_from_tasks() -> None:
    flags = parse_overrides([])
    assert task_names(load_global({"task_instance": "b, a"}), flags) == (["b", "a"], [])
    assert task_names(load_global({"task_instance": ["意图", 2020]}), flags) == (["意图", "2020"], [])
    assert task_names(load_global({"tasks": {"b": {}, "a": {}}}), flags) == (["b", "a"], [])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"task_instance": "a, b, a"}, "config.task_instance: a task must be listed once. Found `a` 2 times."),
        (
            {"task_instance": "tasks/a"},
            "a task name consists of letters, digits, `_` and `-`, since it names a folder and a file.",
        ),
        ({"task_instance": "../a"}, "Found `../a`."),
        ({"task_instance": "a.yaml"}, "Found `a.yaml`. Use task_dir for the folder, no extension."),
        ({"task_instance": "a b"}, "Found `a b`."),
        (
            {"task_instance": "ckpt"},
            "name has at most 200 bytes and is not ckpt, earlier, infer_model or trackers.",
        ),
        ({"task_instance": "infer_model"}, "Found `infer_model`. Choose another."),
        ({}, "config: a run needs at least one task. Found none."),
        ({"task_instance": ""}, "a run needs at least one task."),
        ({"task_instance": {"a": 1}}, "a run needs at least one task."),
        (
            {"task_instance": "mrqa", "tasks": {"mqra": {"reader": "mrc"}}},
            "config.tasks.mqra: task `mqra` is not in task_instance. Did you mean `mrqa`?",
        ),
    ],
)
def test_bad_task_names(config: dict[str, object], expected: str) -> None:
    _, problems = task_names(load_global(config), parse_overrides([]))
    assert expected in "\n".join(str(problem) for problem in problems)


def test_the_command_line_may_select_tasks_but_not_set_keys_of_others() -> None:
    main = load_global({"tasks": {"a": {}, "b": {}}})
    assert task_names(main, parse_overrides(["--task_instance", "b"])) == (["b"], [])
    _, problems = task_names(main, parse_overrides(["--tasks.c.batch_size", "1"]))
    assert str(problems[0]).startswith("--tasks.c.batch_size: task `c` is not in task_instance.")


def test_aliases_that_differ_in_one_layer_are_a_contradiction() -> None:
    first, second = Setting("epoch", 2, "c.yaml:1"), Setting("num_train_epochs", 3, "c.yaml:9")
    layer, problems = settle_aliases([first, second])
    assert list(layer) == ["num_epochs"]
    assert str(problems[0]) == (
        "c.yaml:9: `num_train_epochs` and `epoch` are two names of one key and must agree. "
        "Found `3` here and `2` at c.yaml:1. Keep one of them."
    )
    assert settle_aliases([first, Setting("num_epochs", 2.0, "c.yaml:9")])[1] == []


def test_aliases_in_different_layers_hide_one_another() -> None:
    strong, _ = settle_aliases([Setting("epoch", 2, "--epoch")])
    weak, _ = settle_aliases([Setting("num_epochs", 3, "c.yaml:1")])
    merged = stack([strong, weak])["num_epochs"]
    assert (merged.setting.value, [hidden.value for hidden in merged.overridden]) == (2, [3])


@pytest.mark.parametrize(
    ("alias", "value", "key", "meant"),
    [
        ("resume_from_checkpoint", True, "resume", "auto"),
        ("resume_from_checkpoint", "True", "resume", "auto"),
        ("resume_from_checkpoint", "no", "resume", "never"),
        ("resume_from_checkpoint", None, "resume", "never"),
        ("load_best_model_at_end", 1, "export", "best"),
        ("load_best_model_at_end", False, "export", "last"),
        ("output_dir", "结果", "save_path", "结果"),
        ("model_name_or_path", "ernie-3.0-base-zh", "encoder", "ernie-3.0-base-zh"),
    ],
)
def test_aliases_may_have_other_values(alias: str, value: object, key: str, meant: object) -> None:
    layer, problems = settle_aliases([Setting(alias, value, "c.yaml:1")])
    assert problems == []
    assert {name: setting.value for name, setting in layer.items()} == {key: meant}
    assert layer[key].name == alias


def test_a_checkpoint_to_resume_from_is_not_named() -> None:
    _, problems = settle_aliases([Setting("resume_from_checkpoint", "out/检查点-5", "c.yaml:1")])
    assert [str(problem) for problem in problems] == [
        "c.yaml:1: `resume_from_checkpoint` is true (`resume: auto`) or false (`resume: never`). Found `out/检查点-5`. "
        "A run continues from the newest valid checkpoint in its own save_path. Write one of the two."
    ]


def test_an_alias_with_other_values_may_contradict_the_key() -> None:
    given = [Setting("export", "last", "c.yaml:1"), Setting("load_best_model_at_end", True, "c.yaml:2")]
    (found,) = settle_aliases(given)[1]
    assert "are two names of one key and must agree. Found `best` here and `last` at c.yaml:1." in str(found)
