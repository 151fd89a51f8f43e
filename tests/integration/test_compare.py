"""`palm compare` as a user runs it: the budget, the table, the reports, runs that are not repeated, bad input."""

import json
import shutil

import pytest
import yaml

from palm.cli.main import main
from palm.compare import plan
from tests.integration import tiny


def write(folder, **keys):
    tasks = {
        "水": tiny.classification_task(folder, "water", count=40, chinese=True),
        "slots": {**tiny.slot_task(folder, "slots"), "mix_ratio": 0.5},
        "words": {**tiny.mlm_task(folder, "words"), "mix_ratio": 0.5, "target": False},
    }
    file = folder / "config.yaml"
    file.write_text(
        yaml.safe_dump(tiny.config(folder, tasks, **keys), allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    return str(file)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("比较")
    words = ["compare", write(folder), "--seeds=2", "--name=hard", "--variant", "dwa=weighting=dwa"]
    assert main(words) == 0
    return folder, words


def report(folder):
    return json.loads((folder / "out" / "compare.json").read_text(encoding="utf-8"))


def metrics(folder, *place):
    file = folder.joinpath("out", "compare", *place, "metrics.jsonl")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_task_alone_has_the_batches_that_it_had_together(compared):
    folder, _ = compared
    for seed in ("seed_1", "seed_2"):
        together, alone = metrics(folder, "hard", seed), metrics(folder, "single", "水", seed)
        export = next(line for line in together if line["split"] == "export" and line["task"] == "水")
        had = [line for line in together if line["split"] == "train" and line["task"] == "水"]
        had = [(line["epoch"], line["step"]) for line in had if line["global_step"] <= export["global_step"]]
        assert [(line["epoch"], line["step"]) for line in alone if line["split"] == "train"] == had
        assert len(had) == export["task_steps"] == 10  # 40 rows in batches of 8, 2 epochs


@pytest.mark.parametrize(
    "keys",
    [
        {"selection": {"水": 1.0, "slots.span_f1": 0.5}, "selection_patience": 2},
        {"metric_for_best_model": "水.accuracy", "early_stopping_patience": 1, "leave_mix_when_finished": True},
    ],
)
def test_a_task_alone_is_judged_by_its_own_scores_and_trains_its_whole_budget(tmp_path, keys):
    still = {"learning_rate": 1e-9, "num_epochs": 6, "eval_every_n_steps": 9}  # so waiting ends the run of all tasks
    words = ["--name=hard", "--tasks.words.mix_ratio=0", "--tasks.slots.mix_ratio=3"]
    assert main(["compare", write(tmp_path, **still, **keys), *words]) == 0
    together = metrics(tmp_path, "hard", "seed_1")
    for name in ("水", "slots"):
        export = next(line for line in together if line["split"] == "export" and line["task"] == name)
        assert export["of_step"] < export["global_step"], "it stopped early"
        assert export["task_steps"] > 1
        alone = metrics(tmp_path, "single", name, "seed_1")
        assert len([line for line in alone if line["split"] == "train"]) == export["task_steps"]
    assert not [*(tmp_path / "out").rglob("*infer_model"), *(tmp_path / "out").rglob("ckpt")]


def test_that_a_task_cannot_train_alone_is_said_before_anything_trains(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(plan, "_defaults_alone", lambda _schemas: {"selection": {"slots.span_f1": 1.0}})
    assert main(["compare", write(tmp_path)]) == 2
    assert "水 alone: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_in_stages_is_no_comparison(tmp_path, capsys):
    file = write(tmp_path, stages={"first": {}, "second": {}})
    assert main(["compare", file]) == 2
    assert "a comparison is of a single run, not of several stages." in capsys.readouterr().err


def test_the_figures_are_those_of_the_exported_models(compared):
    folder, _ = compared
    runs = report(folder)["runs"]
    assert [(run["run"], run["task"], run["seed"]) for run in runs[:4]] == [
        ("hard", None, 1), ("dwa", None, 1), ("single", "水", 1), ("single", "slots", 1)
    ]  # fmt: skip
    together = metrics(folder, "hard", "seed_1")
    step = next(line["global_step"] for line in together if line["split"] == "export" and line["task"] == "slots")
    dev = next(
        line for line in together if line["split"] == "dev" and line["task"] == "slots" and line["global_step"] == step
    )
    assert runs[0]["metrics"]["slots"] == {key: dev[key] for key in dev.keys() - {"split", "global_step", "task"}}


def test_the_report_has_a_row_for_each_run_and_says_the_budget(compared):
    folder, _ = compared
    lines = (folder / "out" / "compare.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")]
    # The run of three tasks is looked at once, at step 20 of it: a matrix of all three, symmetric.
    assert rows == ["run", "---", "single", "hard", "dwa", "gradient cosine", "---", "水", "slots", "words"]
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][7:]
    assert all(cells[a][b + 1] == cells[b][a + 1] for a in range(3) for b in range(3))
    assert [cells[a][a + 1] for a in range(3)] == ["1"] * 3
    assert any(
        line.startswith("* Budget: `single` trains each task alone") and "水 10, slots 5" in line for line in lines
    )
    found = report(folder)
    one, other = (
        [
            run["metrics"]["水"]["accuracy"]
            for run in found["runs"]
            if run["run"] == name and run["task"] in (None, "水")
        ]
        for name in ("hard", "single")
    )
    assert found["gains"]["hard"]["水"]["mean"] == pytest.approx(sum(one) / 2 - sum(other) / 2)
    assert found["metrics"] == {"水": "accuracy", "slots": "span_f1"}


def test_what_is_done_is_not_repeated_and_models_are_removed(compared, capsys):
    folder, words = compared
    before = (folder / "out" / "compare.md").read_text(encoding="utf-8").splitlines()[4:]
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(", ")[-1] for line in said[:8]] == ["done before"] * 8
    assert (folder / "out" / "compare.md").read_text(encoding="utf-8").splitlines()[4:] == before
    assert not list((folder / "out").rglob("*infer_model"))


def test_other_data_or_settings_train_anew(compared, tmp_path, capsys):
    folder, words = compared
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    file = write(copy)
    words = [words[0], file, *words[2:]]
    assert main([*words, "--print_every_n_steps=7"]) == 0  # other paths are other files
    assert "done before" not in capsys.readouterr().out
    with (copy / "water.train.tsv").open("a", encoding="utf-8") as data:
        data.write("air\t大绿鸟在天\n")
    assert main(words) == 0
    again = [line for line in capsys.readouterr().out.splitlines() if "done before" in line]
    assert ["single slots" in line for line in again] == [True, True]  # it never sees that file
    assert main([*words, "--print_every_n_steps=3"]) == 0
    assert capsys.readouterr().out.count("done before") == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds=0"], "--seeds: the number of seeds must be 1 or more. Found `0`."),
        (["--seeds=三"], "--seeds: the number of seeds must be 1 or more. Found `三`."),
        (
            ["--variant", "x=weighting=dwaa"],
            "variant x: --weighting: unknown weighting `dwaa`. Did you mean `dwa`?",
        ),
        (["--variant", "x=tasks.slots.target=false"], "variant x: every variant has the same targets (水, slots)"),
        (["--variants", "nowhere.yaml"], "nowhere.yaml: a configuration must be a readable file."),
        (
            ["--tasks.水.dev_file=null"],
            "tasks.水.dev_file: a target is compared by its metrics on dev_file. Found no dev_file.",
        ),
        (["--learning_rte=1"], "Did you mean `learning_rate`?"),
    ],
)
def test_bad_input_is_said_in_a_line(tmp_path, capsys, words, message):
    assert main(["compare", write(tmp_path), *words]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_one_task_has_nothing_to_be_compared_with(tmp_path, capsys):
    tasks = {"water": tiny.classification_task(tmp_path, "water")}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(tiny.config(tmp_path, tasks)), encoding="utf-8")
    assert main(["compare", str(file)]) == 2
    assert "a comparison needs tasks that train together. Found `water` alone." in capsys.readouterr().err
