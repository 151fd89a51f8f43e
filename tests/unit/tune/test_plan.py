import pytest
import yaml

from palm.errors import ConfigError
from palm.tune.plan import make_plan
from tests.integration import tiny


def write(tmp_path, search, **keys):
    config = tiny.config(tmp_path, {"意图": tiny.classification_task(tmp_path, "意图")}, **keys)
    file = tmp_path / "c.yaml"
    text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
    file.write_text("search:\n" + "".join(f"  {line}\n" for line in search) + text, encoding="utf-8")
    return str(file)


def faults(tmp_path, search, overrides=(), **keys):
    with pytest.raises(ConfigError) as caught:
        make_plan(write(tmp_path, search, **keys), task_dir=".", overrides=overrides, seeds=1)
    return [str(problem).replace(str(tmp_path), "") for problem in caught.value.problems]


def test_a_plan_holds_the_search_and_the_configuration(tmp_path):
    file = write(tmp_path, ["learning_rate: [1e-4, 1e-2, log]", "tasks: {意图: {batch_size: {choices: [8, 16]}}}"])
    plan = make_plan(file, task_dir=".", overrides=["num_epochs=1"], seeds=2)
    assert [(each.key, each.where) for each in plan.space] == [
        ("learning_rate", f"{file}:2"), ("tasks.意图.batch_size", f"{file}:3"),
    ]  # fmt: skip
    assert (plan.folder, plan.seeds) == (tmp_path / "out", (1, 2))
    assert plan.own_values() == {"learning_rate": 5e-3, "tasks.意图.batch_size": 8}
    config = plan.config({"learning_rate": 1e-3, "tasks.意图.batch_size": 16}, 2, tmp_path / "trial_0")
    keys = {key: config[key] for key in ("learning_rate", "num_epochs", "random_seed", "resume", "save_path")}
    assert keys == {
        "learning_rate": 1e-3, "num_epochs": 1, "random_seed": 2, "resume": "never",
        "save_path": str(tmp_path / "trial_0"),
    }  # fmt: skip
    assert config["tasks"]["意图"]["batch_size"] == 16
    assert "search" not in config


def test_values_of_the_configuration_outside_of_the_search_are_not_tried(tmp_path):
    plan = make_plan(write(tmp_path, ["learning_rate: [1e-5, 1e-4]"]), task_dir=".", overrides=(), seeds=1)
    assert plan.own_values() is None


def test_a_mistyped_key_has_a_suggestion_and_its_line(tmp_path):
    (found,) = faults(tmp_path, ["learning_rte: [1e-5, 1e-4]"])
    assert found.startswith("/c.yaml:2: search.learning_rte: nothing in this run reads `learning_rte`.")
    assert "Did you mean `learning_rate`?" in found


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("batch_size: [0, 16]", "search.batch_size: "),
        ("num_epochs: {choices: [2, many]}", "Found `many`"),
        ("dropout_prob: [0.1, 1.5]", "search.dropout_prob: "),
        ("freeze_layers: [0, 5]", "search.freeze_layers: "),
        ("batch_size: [0.5, 8.5]", "search.batch_size: "),
        ("tasks.意圖.batch_size: [4, 8]", "search.tasks.意圖.batch_size: "),
        ("optimizer: {choices: [adam, adamm]}", "Did you mean `adam`"),
    ],
)
def test_values_that_cannot_hold_are_refused_with_their_line(tmp_path, line, message):
    found = faults(tmp_path, [line])
    assert all(each.startswith("/c.yaml:2: search.") for each in found)
    assert message in found[0]


@pytest.mark.parametrize("key", ["save_path", "dev_file", "metrics", "random_seed", "report_to", "print_every_n_steps"])
def test_keys_that_make_no_other_model_are_refused(tmp_path, key):
    assert f"search.{key}: a searched key changes the trained model." in faults(tmp_path, [f"{key}: [1, 2]"])[0]


def test_a_key_without_effect_is_refused(tmp_path):
    (found,) = faults(tmp_path, ["ema_decay: [0.5, 0.9]"])
    assert "`ema_decay` only has an effect with `weight_average: ema` or `use_ema: true`." in found


def test_a_key_is_not_given_on_the_command_line_as_well(tmp_path):
    (found,) = faults(tmp_path, ["learning_rate: [1e-5, 1e-4]"], ["--learning_rate=1e-4"])
    assert "Found it on the command line, too." in found


def test_a_configuration_without_a_search(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("a: 1\n")
    with pytest.raises(ConfigError, match="`palm tune` needs `search:`"):
        make_plan(str(file), task_dir=".", overrides=(), seeds=1)
