"""Bad input gets a clear message and exit code 2 from the command line, never a traceback."""

import json

import pytest
import yaml

from palm.cli.main import main
from tests.integration import tiny


def run_train(folder, capsys, *flags, tasks=None, task_files=None, text=None, **keys):
    """Exit code and stderr of `palm train` on a configuration file."""
    made = tiny.config(folder, tasks if tasks is not None else {"c": tiny.classification_task(folder, "c")}, **keys)
    config = folder / "config.yaml"
    config.write_text(
        text or yaml.safe_dump({key: value for key, value in made.items() if value is not None}), encoding="utf-8"
    )
    for name, content in (task_files or {}).items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    code = main(["train", str(config), "--task_dir", str(folder), *flags])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    return code, captured.err


def refused(outcome, *words):
    code, message = outcome
    assert code == 2, message
    for word in words:
        assert word in message


def line_of(folder, key):
    lines = (folder / "config.yaml").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(f"{key}:"))


def test_unknown_key(tmp_path, capsys):
    outcome = run_train(tmp_path, capsys, learning_rat=1e-3)
    refused(
        outcome, f"config.yaml:{line_of(tmp_path, 'learning_rat')}", "learning_rat", "Did you mean `learning_rate`?"
    )


def test_all_problems_come_at_once(tmp_path, capsys):
    refused(
        run_train(tmp_path, capsys, learning_rat=1e-3, batch_size=0, num_epochs="many"),
        "learning_rat",
        "batch_size",
        "num_epochs",
    )


def test_wrong_type(tmp_path, capsys):
    outcome = run_train(tmp_path, capsys, batch_size="thirty")
    refused(outcome, f"config.yaml:{line_of(tmp_path, 'batch_size')}", "batch_size", "thirty")


def test_wrong_type_on_the_command_line(tmp_path, capsys):
    refused(run_train(tmp_path, capsys, "--batch_size", "thirty"), "--batch_size", "thirty")


def test_missing_config_file(tmp_path, capsys):
    assert main(["train", str(tmp_path / "nowhere.yaml")]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


def test_missing_data_file(tmp_path, capsys):
    task = {**tiny.classification_task(tmp_path, "c"), "train_file": "nowhere.tsv"}
    refused(run_train(tmp_path, capsys, tasks={"c": task}), "nowhere.tsv", "train_file")


def test_missing_task_file(tmp_path, capsys):
    refused(run_train(tmp_path, capsys, tasks={}, task_instance="ghost"), "ghost.yaml")


@pytest.mark.parametrize(
    ("part", "name", "meant"), [("reader", "clss", "cls"), ("paradigm", "matsh", "match"), ("backbone", "brt", "bert")]
)
def test_unknown_component(tmp_path, capsys, part, name, meant):
    task = tiny.classification_task(tmp_path, "c")
    keys = {"backbone": name} if part == "backbone" else {}
    outcome = run_train(tmp_path, capsys, tasks={"c": task if part == "backbone" else {**task, part: name}}, **keys)
    refused(outcome, part, f"`{name}`", f"Did you mean `{meant}`?")


def test_lists_of_different_length(tmp_path, capsys):
    tasks = {name: tiny.classification_task(tmp_path, name) for name in ("a", "b")}
    refused(run_train(tmp_path, capsys, tasks=tasks, mix_ratio="1.0, 0.5, 0.5"), "mix_ratio", "2", "3")


def test_repeated_task_name(tmp_path, capsys):
    task = tiny.classification_task(tmp_path, "c")
    refused(
        run_train(tmp_path, capsys, tasks={}, task_instance="c, c", task_files={"c": task}),
        "`c` 2 times",
        "listed once",
    )


@pytest.mark.parametrize("name", ["../c", "a/b", "/etc/c", "..", "a\\b", "a.b", " "])
def test_task_name_with_a_path_in_it(tmp_path, capsys, name):
    code, message = run_train(tmp_path, capsys, tasks={name: tiny.classification_task(tmp_path, "c")})
    assert code == 2
    assert "name" in message


def test_no_target(tmp_path, capsys):
    refused(run_train(tmp_path, capsys, target_tag="0"), "target")


def test_a_target_that_can_never_finish(tmp_path, capsys):
    tasks = {name: tiny.classification_task(tmp_path, name) for name in ("a", "b")}
    refused(run_train(tmp_path, capsys, tasks=tasks, mix_ratio="1.0, 0"), "mix_ratio", "`b`")


def test_duplicate_key(tmp_path, capsys):
    refused(run_train(tmp_path, capsys, text="batch_size: 1\nbatch_size: 2\n"), "config.yaml:2", "batch_size")


def with_train_file(folder, content, **task):
    (folder / "bad.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return {"c": {**tiny.classification_task(folder, "c"), "train_file": str(folder / "bad.tsv"), **task}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("label\ttext_a\n0\tfish\n1\tbird\n7\tcat\n", ("bad.tsv: n_classes is 2, found 3 labels (0, 1, 7)",)),
        ("label\ttext_a\nair\tthe\tfish\n", ("bad.tsv:2", "2 columns", "3")),
        ("", ("bad.tsv", "empty")),
        ("label\ttext_a\n", ("bad.tsv",)),
        ("0\tthe fish\n1\tthe bird\n", ("bad.tsv:1", "header")),
        (b"label\ttext_a\nair\t\xff\xfe\n", ("bad.tsv:2", "UTF-8")),
        ("label\ttext_a\n\tthe fish\n", ("bad.tsv:2", "label")),
    ],
)
def test_bad_rows(tmp_path, capsys, content, words):
    refused(run_train(tmp_path, capsys, tasks=with_train_file(tmp_path, content, n_classes=2)), *words)


def mrc(folder, mutate):
    task = tiny.mrc_task(folder, "m")
    file = folder / "m.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(mutate(data), encoding="utf-8")
    return {"m": task}


def test_broken_json(tmp_path, capsys):
    refused(run_train(tmp_path, capsys, tasks=mrc(tmp_path, lambda data: json.dumps(data)[:-20])), "m.json:1", "JSON")


def test_answer_that_is_not_at_answer_start(tmp_path, capsys):
    def shift(data):
        data["data"][0]["paragraphs"][2]["qas"][0]["answers"][0]["answer_start"] += 1
        return json.dumps(data, indent=1)

    refused(run_train(tmp_path, capsys, tasks=mrc(tmp_path, shift)), "m.json", "m-2", "answer_start")


def test_vocabulary_larger_than_the_embedding_table(tmp_path, capsys):
    refused(run_train(tmp_path, capsys, vocab_size=10), "vocab")


def test_max_seq_len_over_the_position_table(tmp_path, capsys):
    refused(run_train(tmp_path, capsys, max_seq_len=65), "max_seq_len", "65", "64")


def test_paradigm_that_does_not_fit(tmp_path, capsys):
    task = {**tiny.classification_task(tmp_path, "c"), "paradigm": "mrc", "max_answer_len": 4}
    refused(run_train(tmp_path, capsys, tasks={"c": task}), "`start_positions`", "mrc", "reader `cls`")


def test_reuse_tag_over_different_paradigms(tmp_path, capsys):
    tasks = {"c": tiny.classification_task(tmp_path, "c"), "p": tiny.match_task(tmp_path, "p")}
    refused(run_train(tmp_path, capsys, tasks=tasks, task_reuse_tag="0,0"), "same paradigm", "`cls`", "`match`")


def test_reuse_tag_over_different_sizes(tmp_path, capsys):
    rows = [[label, "the fish"] for label in "abc"]
    three = {**tiny.classification_task(tmp_path, "three"), "dev_file": None}
    three["train_file"] = tiny.write_tsv(tmp_path / "three.tsv", ["label", "text_a"], rows)
    tasks = {"two": tiny.classification_task(tmp_path, "two"), "three": {k: v for k, v in three.items() if v}}
    refused(run_train(tmp_path, capsys, tasks=tasks, task_reuse_tag="0,0"), "equal sizes", "`two`", "`three`")


def test_weights_that_are_not_there(tmp_path, capsys):
    refused(run_train(tmp_path, capsys, pretrain_model_path=str(tmp_path / "nowhere")), "nowhere")


def test_prediction_without_a_model(tmp_path, capsys):
    run_train(tmp_path, capsys, "--batch_size", "0")
    code = main(["pred", str(tmp_path / "config.yaml"), "c"])
    assert code == 2
    assert "no inference model here" in capsys.readouterr().err


def test_unknown_task_to_predict(tmp_path, capsys):
    run_train(tmp_path, capsys, "--batch_size", "0")
    assert main(["pred", str(tmp_path / "config.yaml"), "d"]) == 2
    assert "`d`" in capsys.readouterr().err


def test_a_save_path_that_is_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    refused(run_train(tmp_path, capsys, save_path=str(tmp_path / "file")), "file: cannot be written", "save_path")


def test_a_prediction_folder_that_is_a_file(tmp_path, capsys):
    assert run_train(tmp_path, capsys, max_steps=1)[0] == 0
    (tmp_path / "file").write_text("")
    code = main(["pred", str(tmp_path / "config.yaml"), "c", f"--tasks.c.pred_output_path={tmp_path / 'file'}"])
    assert code == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_key_without_effect_is_said_in_the_log_and_does_not_stop_the_run(tmp_path, capsys):
    code, _ = run_train(tmp_path, capsys, dtp_gamma=2.0, max_steps=1)
    assert code == 0
    place = f"config.yaml:{line_of(tmp_path, 'dtp_gamma')}"
    (said,) = [line for line in tiny.log_lines(tmp_path) if line.startswith("Warning: ")]
    assert f"{place}: `dtp_gamma` only has an effect with `weighting: dtp`. Found it with `weighting: fixed`" in said
