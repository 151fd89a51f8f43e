"""Texts to predictions: `palm.load`, and `palm pred RUN/task TEXT`."""

import csv
import json
import os
import pty
import select
import subprocess
import sys

import numpy as np
import pytest

import palm
from palm.errors import CheckpointError, PalmError
from tests.integration import tiny
from tests.integration.test_predict_rows import choice_task
from tests.palm_command import palm_here

TEXT = "小红鱼在河"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The save_path of a run that has exported each kind of task."""
    folder = tmp_path_factory.mktemp("预测 x")
    tasks = {
        "c": tiny.classification_task(folder, "c", chinese=True),
        "m": tiny.match_task(folder, "m"),
        "o": choice_task(folder, True),
        "q": tiny.mrc_task(folder, "q", chinese=True),
        "s": tiny.slot_task(folder, "s"),
        "w": tiny.mlm_task(folder, "w"),
    }
    palm.Controller(tiny.config(folder, tasks, max_steps=8, for_cn=True), overrides=[]).train()
    return folder / "out"


def palm_pred(*words, text=""):
    """`palm pred` with these words."""
    done = palm_here("pred", *words, given=text.encode() if isinstance(text, str) else text)
    return done.returncode, done.stdout, done.stderr


def palm_pred_alone(*words, text=""):
    """The same in a process of its own."""
    command = [sys.executable, "-m", "palm", "pred", *map(str, words)]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_load_a_task(run):
    model = palm.load(run / "c")
    found = model([TEXT, {"text_a": "x", "id": 7}])
    assert [one["text_a"] for one in found] == [TEXT, "x"]
    assert found[1]["id"] == 7
    assert found == palm.Predictor(run / "c/infer_model").predict_rows([TEXT, {"text_a": "x", "id": 7}])
    assert palm.load(str(run / "c/infer_model"))([]) == []
    assert (model.task, model.text_columns) == ("c", ("text_a",))


def test_load_a_run(run):
    models = palm.load(run)
    assert list(models) == ["c", "m", "o", "q", "s", "w"]
    found = models["q"]([{"question": "谁在河?", "context": TEXT}])
    assert found[0]["question"] == "谁在河?"
    assert found[0]["text"] in TEXT
    with pytest.raises(PalmError, match="text_a, text_b"):
        models([TEXT])


@pytest.mark.parametrize(
    "rows",
    [
        TEXT,
        b"x",
        3,
        None,
        {"text_a": "x"},
        [3],
        [None],
        [["x"]],
        [{"text_a": 3}],
        [{3: "x"}],
        [np.float32(3)],
        np.zeros(3),
        {"x"},
        [b"x"],
    ],
)
def test_rows_of_a_wrong_type_are_palm_errors(run, rows):
    with pytest.raises(PalmError, match="rows"):
        palm.load(run / "c")(rows)


@pytest.mark.parametrize("path", [3, None, b"x", "", ["c"]])
def test_a_path_of_a_wrong_type_is_a_palm_error(path):
    with pytest.raises(PalmError, match=r"palm\.load: .* takes the path of a run"):
        palm.load(path)


def test_a_path_of_a_wrong_type_is_a_palm_error_of_a_predictor(run):
    with pytest.raises(PalmError, match=r"a path is expected\. Found int `3`"):
        palm.Predictor(3)
    with pytest.raises(PalmError, match=r"rows must be a list, one example each, found a number `3`"):
        palm.load(run / "c").predict(3)


def test_a_path_without_a_model_names_those_beside_it(run, tmp_path):
    with pytest.raises(
        CheckpointError, match=r"no inference model here\. Found nothing at this path\. There are .*/c,"
    ):
        palm.load(run / "nix")
    with pytest.raises(CheckpointError, match="Train first, or name the save_path"):
        palm.load(tmp_path)
    with pytest.raises(CheckpointError, match=r"Found models further down: .*out\. Name one"):
        palm.load(run.parent)


@pytest.mark.parametrize(
    ("task", "texts", "row"),
    [
        ("c", [TEXT], {"text_a": TEXT}),
        ("c", ["x=3"], {"text_a": "x=3"}),
        ("c", ["--", "--x"], {"text_a": "--x"}),
        ("m", ["fish", "鸟"], {"text_a": "fish", "text_b": "鸟"}),
        ("m", ["a=1", "b=2", "--json"], {"text_a": "a=1", "text_b": "b=2"}),
        ("o", [TEXT, "鱼|鸟"], {"text_a": TEXT, "choices": "鱼|鸟"}),
        ("q", ["谁在河?", TEXT], {"question": "谁在河?", "context": TEXT}),
        ("w", ["红[MASK]"], {"text_a": "红[MASK]"}),
    ],
)
def test_texts_of_the_command_line(run, task, texts, row):
    code, out, err = palm_pred(run / task, *texts)
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads(json.dumps(palm.load(run / task)([row])[0]))


def test_a_run_gives_each_task_that_takes_the_text(run):
    code, out, err = palm_pred_alone(run, TEXT)
    assert code == 0
    assert [json.loads(line)["task"] for line in out.splitlines()] == ["c", "s"]
    model, *left_out = err.splitlines()
    assert model.startswith("answers of the model of all tasks of global step ")
    assert [line.split()[0] for line in left_out] == ["m", "o", "q", "w"]


def test_lines_of_stdin(run):
    code, out, err = palm_pred_alone(run / "c", "-", text=f"{TEXT}\r\n\n" + '{"text_a": "鸟", "id": "一"}\n{x\n')
    assert code == 0
    assert "Traceback" not in err
    found = [json.loads(line) for line in out.splitlines()]
    assert [(one["text_a"], one.get("id")) for one in found] == [(TEXT, None), ("", None), ("鸟", "一"), ("{x", None)]
    code, out, err = palm_pred(run / "m", "-", text="a\tb\tc\n")
    assert json.loads(out)["text_b"] == "b\tc"
    code, out, err = palm_pred(run / "m", "-", text='{"premise": "鸟", "hypothesis": "鱼"}\n')
    assert (json.loads(out)["text_a"], json.loads(out)["text_b"]) == ("鸟", "鱼")
    assert "columns by their names: text_a is `premise`, text_b is `hypothesis`." in err


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        ("c", "", "stdin: at least one line of text is expected. Found none."),
        ("c", "\n \n", "stdin: at least one line of text is expected. Found none."),
        ("c", b"ok\n\xe6\xb0 x\n", "stdin:2: text must be UTF-8, found byte 0xe6 (column 1)."),
        ("c", b"a\0b\n", "stdin:1: text must not contain NUL"),
        ("m", "a\tb\na\n", "stdin:2: a row of 2 texts (text_a, text_b) is expected, separated by tabs. Found 1."),
    ],
)
def test_stdin_that_cannot_be_predicted(run, task, text, message):
    code, out, err = palm_pred(run / task, "-", text=text)
    assert (code, out) == (2, "")
    assert err.startswith(message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["c", "a", "b"], "palm pred: one text (text_a) goes here. Found 2. Put a text with blanks in quotes."),
        (["m", "a"], "palm pred: a row of 2 texts (text_a, text_b) goes here. Found 1. Give the others, too."),
        (["c"], "palm pred: what to predict is a text, - (lines of stdin), --file, --text or -i. Found none of them."),
        (["c", "a", "--file", "x"], "palm pred: what to predict is a text"),
        (["c", "a", "--lr=3"], "palm pred: keys of a configuration go only with one. Found `--lr=3`"),
        (["nix", "a"], "nix: a global YAML file, a run or a task of a run (RUN/task) is expected. Found nothing"),
        (["c", "a", "--keep_columns", "label"], None),
    ],
)
def test_words_that_do_not_fit(run, words, message, monkeypatch):
    monkeypatch.chdir(run)
    code, out, err = palm_pred(*words)
    if message is None:
        assert (code, err) == (0, "")
    else:
        assert (code, out) == (2, "")
        assert err.startswith(message)


def test_a_long_text_is_said_to_be_cut(run):
    code, out, err = palm_pred(run / "c", "鱼" * 5000)
    assert code == 0
    assert json.loads(out)["truncated"] is True
    assert err == "Warning: the text is longer than max_seq_len (24 tokens) and cut there.\n"


def test_a_file_to_a_table(run, tmp_path):
    data = tiny.write_tsv(
        tmp_path / "x.tsv", ["id", "日期", "label", "text_a"], [["一", "今", "air", TEXT], ["二", "明", "", "鸟"]]
    )
    code, out, _ = palm_pred(
        run / "c", "--file", data, "--output", tmp_path / "p.csv", "--keep_columns", "日期", "--show", 1
    )
    assert code == 0
    assert len(out.splitlines()) == 1
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["id"], row["日期"], row["text_a"], row["gold"]) for row in rows] == [
        ("一", "今", TEXT, "air"),
        ("二", "明", "鸟", ""),
    ]


def test_a_closed_stdout_is_no_traceback(run):
    quoted = f"'{sys.executable}' -m palm pred '{run / 'c'}' 鱼"
    for command in (f"{quoted} >&-", f"{quoted} | true", f"{quoted} > /dev/full"):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr


def test_a_closed_stdin_is_said(run):
    command = f"'{sys.executable}' -m palm pred '{run / 'c'}' - <&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("stdin: texts are expected here. Found it closed.")


def on_a_terminal(*words, typed=()):
    """What `palm pred` prints on a terminal on which a line is typed at each prompt."""
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "palm", "pred", *map(str, words)]
    left = list(typed)
    with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=subprocess.PIPE) as process:
        os.close(inner)
        found = b""
        while select.select([outer], [], [], 60)[0]:
            try:
                block = os.read(outer, 4096)
            except OSError:  # the process has ended
                break
            found += block
            if found.endswith(b"> ") and left:
                os.write(outer, left.pop(0).encode())
        process.kill()
    os.close(outer)
    assert not left
    return found.decode().replace("\r", "")


def test_on_a_terminal_people_read_it(run):
    [found] = palm.load(run / "c")([TEXT])
    best = found["label"]
    assert on_a_terminal(run / "c", TEXT).splitlines()[0] == f"  {best}  {found['probs'][best]:.3f}"
    assert json.loads(on_a_terminal(run / "c", TEXT, "--json"))["label"] == best
    blocks = [line for line in on_a_terminal(run, TEXT).splitlines() if line.startswith("[")]
    assert blocks == ["[c]", "[s]"]


def test_interactive(run):
    [found] = palm.load(run / "c")([TEXT])
    best = found["label"]
    shown = on_a_terminal(run / "c", "-i", typed=[f"{TEXT}\n", "\x04"])
    assert f"  {best}  {found['probs'][best]:.3f}" in shown.splitlines()
    # A pipe works as well, without prompts; and a pair needs both of its texts.
    code, out, err = palm_pred(run / "m", "-i", text="a\nb\nc\n\n")
    assert code == 0
    assert [(json.loads(line)["text_a"], json.loads(line)["text_b"]) for line in out.splitlines() if line] == [
        ("a", "b")
    ]
    assert err == "No task takes text_a alone.\n"
