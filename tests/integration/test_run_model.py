"""One model of a run: all heads from one pass of the encoder, with the answers of each task alone."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import palm
from palm.errors import ConfigError, DataError
from palm.inference.run_predictor import RunPredictor
from palm.inference.runtime import PalmRuntime
from tests.integration import all_heads

CASED = {"water": {"do_lower_case": False}, "tags": {"for_cn": True}}


@pytest.fixture(scope="module", params=[True, False], ids=["auto", "plain"])
def kernels(request: pytest.FixtureRequest) -> str:
    """The encoder's kernels."""
    return "auto" if request.param else "plain"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's model, and each task's own of the same moment, below one folder."""
    folder = tmp_path_factory.mktemp("一个模型")
    config = all_heads.config(folder)
    for name, keys in CASED.items():
        config["tasks"][name] |= keys
    run = palm.Controller(config, overrides=[])._training_run()
    all_heads.train(run)
    all_heads.save_both(run, folder / "out")
    return folder / "out"


def loaded(folder: Path, **keys: object) -> RunPredictor:
    model = palm.load(folder, **keys)
    assert isinstance(model, RunPredictor)
    return model


def datasets(run: RunPredictor, names: Sequence[str]) -> dict:
    return {name: run[name].read_rows(rows(run, name)) for name in names}


def rows(run: RunPredictor, name: str) -> list[dict[str, object]]:
    return all_heads.rows_for(run.text_columns(name), masked=name == "words")


def printed(predictions: object) -> str:
    return json.dumps(predictions, ensure_ascii=False)


def test_every_task_answers_as_it_does_alone(models: Path, kernels: str) -> None:
    run = loaded(models, kernels=kernels)
    assert list(run) == [task for task in all_heads.tasks(models)]
    together = run.predict_datasets(datasets(run, list(run)))
    for name in run:
        alone = palm.Predictor(models / name / "infer_model", kernels=kernels)
        expected = printed(alone(rows(run, name)))
        assert printed(together[name]) == expected, name
        assert printed(run[name](rows(run, name))) == expected, name


def test_tasks_that_read_the_same_share_one_pass(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = loaded(models)
    runtime = run["water"].runtime
    assert isinstance(runtime, PalmRuntime)
    passes: list[str | None] = []
    encode = type(runtime.model).encode
    monkeypatch.setattr(
        type(runtime.model),
        "encode",
        lambda self, batch, *, layer=-1, head=None, shift=None: (
            passes.append(head), encode(self, batch, layer=layer, head=head, shift=shift)
        )[1],
    )  # fmt: skip
    names = ["again", "sets", "wet", "slots", "soft", "shallow"]
    texts = [text for text in all_heads.TEXTS if text]
    found = run.predict(texts, tasks=names)
    assert list(found) == names
    assert len(passes) == 3  # the last layer for all, the first layer for one, and one with layers of its own
    passes.clear()
    assert printed(run.predict(texts, tasks=["again"])["again"]) == printed(found["again"])
    assert len(passes) == 1


def test_rows_are_read_once_for_tasks_that_read_alike(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four tasks of one reader and two of another: two readings, and what each predicts alone to the last digit."""
    run = loaded(models)
    names = ["again", "sets", "wet", "soft", "slots", "tags", "water"]
    alone = {name: palm.Predictor(models / name / "infer_model") for name in names}
    texts = [text for text in all_heads.TEXTS if text]
    unlabelled = [{"text_a": text, "id": number} for number, text in enumerate(texts)]
    labelled = [{"text_a": text, "label": "2"} for text in texts]
    read: list[str] = []
    for kind in {type(run[name].reader) for name in names}:
        encode = kind.encode
        monkeypatch.setattr(
            kind, "encode", lambda self, *given, kept=encode: (read.append(self), kept(self, *given))[1]
        )
    # `tags` and `water` have tokenizers of their own; gold is read as each task's `label_kind` says.
    for rows, names_of_rows, readings in ((texts, names, 4), (unlabelled, names, 4), (labelled, names[:4], 3)):
        read.clear()
        found = run.predict(rows, tasks=names_of_rows)
        assert len(read) == readings
        for name in names_of_rows:
            assert printed(found[name]) == printed(alone[name](rows)), name


def test_a_text_that_is_cut_is_said_once_for_tasks_that_read_it_together(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = loaded(models)
    run.predict([all_heads.ENGLISH[-1] * 2], tasks=["again", "sets", "wet"])
    assert [record.message for record in caplog.records if "cut there" in record.message] == [
        "the text is longer than max_seq_len (24 tokens) and cut there."
    ]


def test_some_tasks_have_no_other_heads(models: Path) -> None:
    run = loaded(models, tasks=["tags", "water"])
    assert list(run) == ["tags", "water"]
    runtime = run["tags"].runtime
    assert isinstance(runtime, PalmRuntime)
    assert set(runtime.model.heads.keys()) == {"tags", "water"}
    assert loaded(models / "water", tasks=["water"]).keys() == {"water"}
    for wrong in (["watr"], [], "water"):
        with pytest.raises(ConfigError, match=r"tasks: "):
            palm.load(models, tasks=wrong)


def test_a_row_that_a_task_cannot_read_is_named(models: Path) -> None:
    run = loaded(models)
    with pytest.raises(DataError, match="text_b"):
        run.predict(["a fish"], tasks=["water", "pairs"])
    assert run.predict([], tasks=["water"]) == {"water": []}
    assert run.predict([{"text_a": "a fish", "text_b": "a bird"}], tasks=["water", "pairs"])["pairs"]


def test_two_threads_at_once(models: Path) -> None:
    run = loaded(models)
    data = datasets(run, list(run))
    expected = printed(run.predict_datasets(data))
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda _: printed(run.predict_datasets(data)), range(12)))
    assert set(found) == {expected}


def test_tokenizers_of_tasks_stay_their_own(models: Path) -> None:
    run = loaded(models)
    kinds = {name: run[name].reader.tokenizer.fingerprint for name in ("水", "water", "tags")}
    assert len(set(kinds.values())) == 3
    for name, fingerprint in kinds.items():
        assert palm.Predictor(models / name / "infer_model").reader.tokenizer.fingerprint == fingerprint
    saved = json.loads((models / "infer_model/config.json").read_text(encoding="utf-8"))
    assert saved["tokenizer"]["name"] == "vocab.txt"


def test_what_config_json_says(models: Path) -> None:
    saved = json.loads((models / "infer_model/config.json").read_text(encoding="utf-8"))
    assert saved["global_step"] == all_heads.STEPS
    assert set(saved["tasks"]) == set(all_heads.tasks(models))
    assert saved["tasks"]["again"]["head"] == "water"
    assert saved["tasks"]["water"]["labels"] == ["water", "air"] or saved["tasks"]["water"]["labels"] == [
        "air",
        "water",
    ]
    assert len(saved["tasks"]["water"]["data"]["rows"]) == 64


def test_a_model_of_several_tasks_is_no_predictor_of_one(models: Path) -> None:
    with pytest.raises(ConfigError, match="model of several tasks"):
        palm.Predictor(models / "infer_model")
