"""`Predictor.predict_rows` predicts what a file with the same rows gives, bit for bit; `palm pred --text` prints it."""

import json

import pytest

import palm
from palm.cli.main import main
from palm.errors import DataError
from tests.integration import tiny

QUESTION = {"en": "who in the river", "zh": "谁在河?"}
CHOICES = {"en": ["the bird flies", "the fish swims", "a cat"], "zh": ["鸟飞", "鱼游"]}


def texts(language: str, count: int = 11) -> list[str]:
    """Texts of unlike length, so that batches are not in the order of the file."""
    found = [text for _, text in tiny.classification_rows(count, seed=9, chinese=language == "zh")]
    return [text * (number % 3 + 1) for number, text in enumerate(found)]


def rows_of(task: str, language: str) -> list[dict[str, object]]:
    mask = {"en": "the [MASK] fish ", "zh": "红[MASK]"}[language]
    rows: dict[str, list[dict[str, object]]] = {
        "c": [{"text_a": text} for text in texts(language)],
        "m": [{"text_a": text, "text_b": CHOICES[language][0]} for text in texts(language)],
        "w": [{"text_a": mask + text} for text in texts(language)],
        "s": [{"text_a": text if number % 2 else list(text)} for number, text in enumerate(texts(language))],
        "o": [{"text_a": text, "choices": CHOICES[language]} for text in texts(language)],
        "q": [
            {"id": f"{number}水", "question": QUESTION[language], "context": text}
            for number, text in enumerate(texts(language))
        ],
    }
    return rows[task]


def choice_task(folder, chinese):
    labelled = tiny.classification_rows(12, seed=7, chinese=chinese)
    rows = [
        [str(int(label == "water")), text, "|".join(CHOICES["zh" if chinese else "en"][:2])] for label, text in labelled
    ]
    file = tiny.write_tsv(folder / "o.tsv", ["label", "text_a", "choices"], rows)
    return {"reader": "choice", "paradigm": "choice", "train_file": file}


@pytest.fixture(scope="module", params=["en", "zh"])
def trained(request, tmp_path_factory):
    """A model of each reader, trained for a few steps; and the language."""
    folder = tmp_path_factory.mktemp("行")
    chinese = request.param == "zh"
    tasks = {
        "c": tiny.classification_task(folder, "c", chinese=chinese),
        "m": tiny.match_task(folder, "m"),
        "w": tiny.mlm_task(folder, "w"),
        "s": tiny.slot_task(folder, "s"),
        "o": choice_task(folder, chinese),
        "q": tiny.mrc_task(folder, "q", chinese=chinese),
    }
    config = tiny.config(folder, tasks, max_steps=12, pred_batch_size=4, for_cn=chinese)
    palm.Controller(config, overrides=[]).train()
    return folder / "out", request.param


def written(folder, task, rows):
    """A file with these rows."""
    if task != "q":
        file = folder / f"{task}.rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return file
    paragraphs = [{"context": row["context"], "qas": [{"id": row["id"], "question": row["question"]}]} for row in rows]
    file = folder / "q.rows.json"
    file.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    return file


@pytest.mark.parametrize("task", ["c", "m", "w", "s", "o", "q"])
def test_rows_are_predicted_as_a_file_with_these_rows(trained, tmp_path, task):
    out, language = trained
    rows = rows_of(task, language)
    predictor = palm.Predictor(out / task / "infer_model")
    wanted = predictor.predict(written(tmp_path, task, rows))
    assert len(wanted) == len(rows)
    assert predictor.predict_rows(rows) == wanted
    assert predictor.predict_rows(tuple(rows)) == wanted
    assert predictor.predict_rows([]) == []
    # The order is the caller's, and a second call sees nothing of the first.
    backwards = predictor.predict_rows(rows[::-1])
    assert [decision(one) for one in backwards[::-1]] == [decision(one) for one in wanted]
    assert all(any(decision(one).values()) for one in wanted)


def decision(prediction):
    """What the model decides, without numbers that depend on which rows share a batch."""
    masks = [[mask["position"], mask["tokens"][0]] for mask in prediction.get("masks", ())]
    return {"masks": masks, **{name: value for name, value in prediction.items() if name in DECISIONS}}


DECISIONS = {"label", "labels", "words", "text", "choice", "id"}


def test_wrong_rows_are_named_and_nothing_is_predicted(trained):
    predictor = palm.Predictor(trained[0] / "m" / "infer_model")
    with pytest.raises(DataError) as caught:
        predictor.predict_rows([{"text_a": "a", "text_b": "b"}, {"text_a": "a"}, {"text_a": "a", "text_b": 1}])
    assert [problem.where for problem in caught.value.problems] == ["rows[1]", "rows[2]"]
    with pytest.raises(DataError, match="rows must be a list"):
        predictor.predict_rows("the cat")


@pytest.mark.parametrize(
    ("task", "row", "options"),
    [
        ("c", {"text_a": "big 鱼"}, ["--text", "big 鱼"]),
        ("m", {"text_a": "fish", "text_b": "-鱼"}, ["--text", "fish", "--text_b=-鱼"]),
        ("q", {"question": "who 谁", "context": "the fish 鱼"}, ["--question", "who 谁", "--context", "the fish 鱼"]),
    ],
)
def test_the_command_line_prints_what_one_text_gives(trained, capsys, task, row, options):
    model = trained[0] / task / "infer_model"
    assert main(["pred", "--model", str(model), *options]) == 0
    assert json.loads(capsys.readouterr().out) == palm.Predictor(model).predict_rows([row])[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--text", "the"], "rows[0]: expected the fields text_a, text_b, missing: text_b (found text_a)."),
        (["--text", "the", "--file", "x"], "palm pred: one text goes only with --model, found also a config"),
        (["config.yaml", "m", "--text_b", "the"], "palm pred: one text goes only with --model, found also a config"),
    ],
)
def test_the_command_line_says_what_is_missing(trained, capsys, words, message):
    assert main(["pred", "--model", str(trained[0] / "m" / "infer_model"), *words]) == 2
    assert capsys.readouterr().err.startswith(message)
    assert main(["pred", "--text", "the"]) == 2
    assert "--model and --file or --text" in capsys.readouterr().err
