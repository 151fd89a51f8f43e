"""A run is not resumed over data that give its weights another meaning, and never over other rows without a word."""

import json

import pytest

import palm
from palm.engine.run_data import DATA_FILE, check_data, describe_data
from palm.errors import CheckpointError
from tests.integration import tiny


def configuration(folder, **keys):
    data = {"reader": "cls", "paradigm": "cls"}
    names = {"水": "water", "air": "air"}
    tasks = {task: {**data, "train_file": str(folder / f"{name}.tsv")} for task, name in names.items()}
    return tiny.config(folder, tasks, save_every_n_steps=2, **keys)


def rows(task):
    made = tiny.classification_rows(24, seed=1, chinese=True, flip=task == "air")
    return [["label", "text_a"], *made]


def write(folder, task, changed):
    tiny.write_tsv(folder / f"{task}.tsv", changed[0], changed[1:])


@pytest.fixture
def stopped(tmp_path):
    """A run of which the last checkpoint is not there."""
    for task in ("water", "air"):
        write(tmp_path, task, rows(task))
    palm.Controller(configuration(tmp_path, max_steps=4), overrides=[]).train()
    return tmp_path


def resume(folder, **keys):
    palm.Controller(configuration(folder, resume="auto", **keys), overrides=[]).train()
    return (folder / "out" / "log.txt").read_text(encoding="utf-8")


def test_the_same_data_are_resumed_without_a_word(stopped):
    log = resume(stopped)
    assert "at global step 4." in log
    assert "rows" not in log


def renamed(table):
    return [[{"water": "wet"}.get(label, label), text] for label, text in table]


def reordered(table):
    """`zair` sorts after water, so every id is another one."""
    return [[{"air": "zair"}.get(label, label), text] for label, text in table]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (renamed, r"Labels of `水`: `water` then and not now, `wet` now and not then"),
        (reordered, r"Labels of `水`: `air` then and not now, `zair` now and not then"),
    ],
)
@pytest.mark.parametrize("keys", [{}, {"allow_changed_data": True}], ids=str)
def test_other_labels_are_refused_whatever_is_allowed(stopped, change, message, keys):
    header, *body = rows("water")
    write(stopped, "water", [header, *change(body)])
    with pytest.raises(CheckpointError, match=message):
        resume(stopped, **keys)


def test_another_order_of_labels_is_named(stopped, tmp_path_factory):
    tasks = palm.Controller(configuration(stopped), overrides=[])._training_run().tasks
    described = describe_data(tasks)
    assert described["水"]["labels"] == ["air", "water"]
    described["水"]["labels"] = ["water", "air"]
    saved = tmp_path_factory.mktemp("saved")
    (saved / DATA_FILE).write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(CheckpointError, match="another order, `water`, `air` then, `air`, `water` now"):
        check_data(saved, tasks, allow_changed=True)


def test_a_checkpoint_of_an_earlier_version_says_that_nothing_was_compared(stopped, tmp_path_factory):
    (line,) = check_data(tmp_path_factory.mktemp("saved"), [], allow_changed=False)
    assert "it is not compared with today's" in line


def test_another_vocabulary_is_refused(stopped):
    config = configuration(stopped, resume="auto")
    file = stopped / "vocab.txt"
    pieces = file.read_text(encoding="utf-8").splitlines()
    pieces[6], pieces[7] = pieces[7], pieces[6]
    file.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match="Task `水` has another vocabulary"):
        palm.Controller(config, overrides=[]).train()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body: [*body, ["water", "大红鱼在河"]], r"Task `水`: 24 examples then, 25 now\."),
        (lambda body: body[:-3], r"Task `水`: 24 examples then, 21 now\."),
        (lambda body: body[::-1], r"as many \(24\), with other content or in another order"),
        (lambda body: [*body[:-1], [body[-1][0], "小绿鸟在河"]], r"as many \(24\), with other content"),
        (lambda body: [*body[:-1], ["water" if body[-1][0] == "air" else "air", body[-1][1]]], "with other content"),
    ],
    ids=["more", "fewer", "reordered", "another text", "another label of a row"],
)
def test_other_rows_are_refused_unless_they_are_allowed(stopped, change, message):
    header, *body = rows("water")
    write(stopped, "water", [header, *change(body)])
    with pytest.raises(CheckpointError, match=message):
        resume(stopped)
    assert "Training goes on with other rows. Task `水`: " in resume(stopped, allow_changed_data=True)


def test_a_file_that_only_looks_different_has_the_same_rows(stopped):
    text = (stopped / "water.tsv").read_text(encoding="utf-8")
    (stopped / "water.tsv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert "rows" not in resume(stopped)


def test_other_keys_of_a_reader_are_named_as_keys(stopped):
    log = resume(stopped, max_seq_len=20)
    assert "tasks.水.max_seq_len 24 → 20" in log
    assert "other rows" not in log


@pytest.mark.parametrize("content", ["null", "[]", "[" * 100_000, '{"t": 3}', '{"t": null}', '{"t": ["x"]}', ""])
def test_a_description_that_is_none_is_refused(tmp_path, content):
    (tmp_path / DATA_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"data\.json: "):
        check_data(tmp_path, [], allow_changed=False)
