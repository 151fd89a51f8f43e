"""One test for each thing that PaddlePALM 0.2.1 got wrong (measured on its own package) and that must hold here."""

import json

import pytest

import palm
from palm.engine.schedule import expected_steps
from palm.engine.train import train_steps
from palm.errors import ConfigError
from tests.integration import tiny


def controller(folder, tasks, **keys):
    return palm.Controller(tiny.config(folder, tasks, **keys), overrides=[])


def final_losses(made):
    latest = {}
    for result in train_steps(made._training_run()):
        latest.setdefault(result.task, []).append(result.loss)
    return {name: sum(losses[-3:]) / 3 for name, losses in latest.items()}


def test_each_task_of_a_shared_head_trains_on_its_own_labels(tmp_path):
    """There the shared head saw the last sharing task's labels: two separable tasks ended at 0.95 / 0.26."""
    english = tiny.classification_task(tmp_path, "english")
    chinese = tiny.classification_task(tmp_path, "chinese", chinese=True, flip=True)
    losses = final_losses(
        controller(tmp_path, {"english": english, "chinese": chinese}, task_reuse_tag="0,0", num_epochs=10)
    )
    assert max(losses.values()) < 0.05


def test_opposite_tasks_on_one_head_cannot_both_be_learnt_but_apart_they_can(tmp_path):
    tasks = {
        "straight": tiny.classification_task(tmp_path, "straight"),
        "flipped": tiny.classification_task(tmp_path, "flipped", flip=True),
    }
    shared = final_losses(controller(tmp_path, tasks, task_reuse_tag=[7, 7], num_epochs=6))
    apart = final_losses(controller(tmp_path, tasks, task_reuse_tag=[7, 8], num_epochs=6))
    assert min(shared.values()) > 0.4
    assert max(apart.values()) < 0.1


def test_the_learning_rate_spans_the_whole_run(tmp_path):
    """There it decayed over the last listed task's steps: exactly 0 for 73-77 % of demo 2's steps."""
    tasks = {
        "main": {**tiny.classification_task(tmp_path, "main"), "mix_ratio": 1.0},
        "words": {**tiny.mlm_task(tmp_path, "words"), "mix_ratio": 0.5, "target": False},
        "pairs": {**tiny.match_task(tmp_path, "pairs"), "mix_ratio": 0.5, "target": False},
    }
    made = controller(tmp_path, tasks, warmup_proportion=0.25, num_epochs=4)
    run = made._training_run()
    assert expected_steps(made._tasks, 4) == {"main": 24, "words": 12, "pairs": 12}
    rates = [result.learning_rate for result in train_steps(run)]
    total = len(rates)
    assert run.total_steps == total
    warm = total // 4
    assert rates[warm - 1] == pytest.approx(5e-3)
    assert rates[-1] == pytest.approx(5e-3 / (total - warm))
    assert rates[warm:] == sorted(rates[warm:], reverse=True)


@pytest.mark.parametrize(
    "keys",
    [
        *({"sampling": name} for name in ("mix_ratio", "exact", "proportional", "temperature", "annealed")),
        {"leave_mix_when_finished": True},
        {"mode": "joint"},
        {"max_steps": 7},
        {"sampling": "exact", "leave_mix_when_finished": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_step_of_several_tasks_is_trained_at_rate_0(tmp_path, keys, seed):
    """The first version of this one decayed over the expected steps, which runs of several tasks outlast."""
    tasks = {
        "main": {**tiny.classification_task(tmp_path, "main", 24), "mix_ratio": 0.7},
        "pairs": {**tiny.match_task(tmp_path, "pairs"), "mix_ratio": 1.3},
        "words": {**tiny.mlm_task(tmp_path, "words"), "mix_ratio": 0.5, "target": False},
    }
    run = controller(tmp_path, tasks, num_epochs=3, random_seed=seed, **keys)._training_run()
    rates = [result.learning_rate for result in train_steps(run)]
    assert run.total_steps == len(rates)
    assert rates[-1] == pytest.approx(5e-3 / len(rates))


def test_a_global_value_wins_silently_over_a_task_file(tmp_path, capsys):
    """There it raised a Warning and exited."""
    (tmp_path / "c.yaml").write_text(json.dumps({**tiny.classification_task(tmp_path, "c"), "max_seq_len": 20}))
    made = palm.Controller(
        {**tiny.config(tmp_path, {}), "tasks": None, "task_instance": "c"}, task_dir=str(tmp_path), overrides=[]
    )
    assert made.config.tasks[0].reader.max_seq_len == 24
    assert capsys.readouterr() == ("", "")


def test_every_task_has_its_own_batch_size(tmp_path):
    tasks = {
        "a": {**tiny.classification_task(tmp_path, "a"), "batch_size": 4},
        "b": {**tiny.classification_task(tmp_path, "b"), "batch_size": 16},
    }
    backbone_config = {task.name: len(task.batch_at(0)["token_ids"]) for task in controller(tmp_path, tasks)._tasks}
    assert backbone_config == {"a": 4, "b": 16}


def test_save_every_n_steps_minus_one_is_off(tmp_path):
    """There it saved every step."""
    controller(tmp_path, {"c": tiny.classification_task(tmp_path, "c")}, save_every_n_steps=-1).train()
    assert not (tmp_path / "out" / "ckpt").exists()


def test_mlm_may_be_the_only_target(tmp_path):
    """There it crashed as the default target."""
    made = controller(tmp_path, {"words": tiny.mlm_task(tmp_path, "words")}, num_epochs=3)
    made.train()
    assert (tmp_path / "out/words/infer_model/model.safetensors").is_file()


def test_random_seed_epoch_and_ema_do_something(tmp_path):
    task = {"c": tiny.classification_task(tmp_path, "c")}
    keys = tiny.config(tmp_path, task)
    del keys["num_epochs"]
    runs = [
        palm.Controller({**keys, **more}, overrides=[])
        for more in ({"epoch": 1}, {"epoch": 1, "random_seed": 2}, {"epoch": 3})
    ]
    losses = [[result.loss for result in train_steps(run._training_run())] for run in runs]
    assert [len(one) for one in losses] == [6, 6, 18]
    assert losses[0] != losses[1]


def test_load_pretrain_without_a_path_uses_the_key_or_says_what_is_missing(tmp_path):
    made = controller(tmp_path, {"c": tiny.classification_task(tmp_path, "c")})
    with pytest.raises(ConfigError, match="pretrain_model_path: load_pretrain\\(\\) needs a path"):
        made.load_pretrain()


def test_predictions_are_json_with_label_names_and_probabilities(tmp_path):
    """There predictions.json was one class id a line."""
    made = controller(tmp_path, {"c": tiny.classification_task(tmp_path, "c")}, num_epochs=6)
    made.train()
    predictor = palm.Controller(
        tiny.config(tmp_path, {"c": tiny.classification_task(tmp_path, "c")}), for_train=False, overrides=[]
    )
    predictor.pred("c", inference_model_dir=tmp_path / "out/c/infermodel")
    lines = [json.loads(line) for line in (tmp_path / "out/c/predictions.json").read_text().splitlines()]
    gold = [row[0] for row in tiny.classification_rows(16, seed=2)]
    assert [line["label"] for line in lines] == gold
    assert [line["index"] for line in lines] == list(range(16))
    assert all(
        sum(line["probs"].values()) == pytest.approx(1) and set(line["probs"]) == {"air", "water"} for line in lines
    )


@pytest.mark.parametrize("chinese", [False, True])
def test_every_answer_is_an_exact_substring_of_its_context(tmp_path, chinese):
    """There answers came out with tripled spaces: 1 of 28 was a substring."""
    task = {"m": {**tiny.mrc_task(tmp_path, "m", chinese=chinese), "for_cn": chinese}}
    controller(tmp_path, task, num_epochs=1).train()
    palm.Controller(tiny.config(tmp_path, task), for_train=False, overrides=[]).pred("m")
    answers = json.loads((tmp_path / "out/m/predictions.json").read_text(encoding="utf-8"))
    nbest = json.loads((tmp_path / "out/m/nbest_predictions.json").read_text(encoding="utf-8"))
    data = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))["data"][0]["paragraphs"]
    contexts = {qa["id"]: paragraph["context"] for paragraph in data for qa in paragraph["qas"]}
    assert set(answers) == set(contexts) == set(nbest)
    assert all(answer and answer in contexts[key] for key, answer in answers.items())
    assert all(option["text"] in contexts[key] for key, options in nbest.items() for option in options)


def test_only_the_drawn_head_runs(tmp_path, monkeypatch):
    tasks = {name: tiny.classification_task(tmp_path, name) for name in ("a", "b")}
    made = controller(tmp_path, tasks)
    run = made._training_run()
    calls = []
    for name in tasks:
        run.model.heads[name].register_forward_pre_hook(lambda *_, name=name: calls.append(name))
        for layer in run.model.heads[name].sublayers():
            layer.register_forward_pre_hook(lambda *_, name=name: calls.append(name))
    for result in train_steps(run):
        assert set(calls) == {result.task}
        calls.clear()


def test_a_missing_label_map_entry_in_dev_is_told_with_its_line(tmp_path):
    task = tiny.classification_task(tmp_path, "c")
    tiny.write_tsv(tmp_path / "c.dev.tsv", ["label", "text_a"], [["water", "the fish"], ["fire", "the cat"]])
    with pytest.raises(palm.errors.DataError, match=r"c\.dev\.tsv:3: .*fire"):
        controller(tmp_path, {"c": task})
