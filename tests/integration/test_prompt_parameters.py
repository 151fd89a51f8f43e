"""Prompt parameters in whole runs: rates of their own, an encoder that a task keeps, exact resume, what is refused."""

import numpy as np
import pytest

import palm
from palm.config.resolve import load_run_configs
from palm.engine.checkpoint import restore_checkpoint, save_checkpoint
from palm.engine.train import train_steps
from palm.errors import ConfigError
from palm.paradigm.base import PARADIGMS
from palm.training import run as training_run
from tests.integration import prompted, tiny

PPT = {
    "ppt_learning_rate": 0.05,
    "ppt_weight_decay": 0.2,
    "ppt_adam_beta1": 0.5,
    "ppt_adam_beta2": 0.9,
    "ppt_adam_epsilon": 1e-3,
}


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(PARADIGMS._components, prompted.NAME, prompted.Prompted)
    monkeypatch.setitem(PARADIGMS._components, "without_any", prompted.PromptedWithoutAny)


def task_of(folder, name="水", paradigm=prompted.NAME, **keys):
    return {**tiny.classification_task(folder, name, chinese=name == "水"), "paradigm": paradigm, **keys}


def run_of(folder, tasks=None, **keys):
    folder.mkdir(exist_ok=True)
    made = {name: make(folder) for name, make in (tasks or {"水": task_of}).items()}
    return palm.Controller(tiny.config(folder, made, **{"max_steps": 6, **keys}), overrides=[])._training_run()


def weights(run):
    return {name: tensor.numpy().copy() for name, tensor in run.model.state_dict().items()}


def moved(run, steps=99):
    """The parameters that some steps change."""
    before = weights(run)
    for _, result in zip(range(steps), train_steps(run), strict=False):
        assert result.fault is None
    after = weights(run)
    return {name for name in after if not np.array_equal(before[name], after[name])}


def with_adapters(folder):
    return task_of(folder, sharing="adapter", **PPT)


def alone(folder):
    return task_of(folder, **PPT)


def water(folder):
    return tiny.classification_task(folder, "water")


def prefixes(names):
    return {name.split(".")[0] if name.startswith("backbone") else ".".join(name.split(".")[:3]) for name in names}


@pytest.mark.parametrize("kernels", ["plain", "auto"])
def test_only_prompt_parameters_have_the_rate_and_settings_of_their_own(tmp_path, kernels):
    """Adam's first step is rate · g / (|g| + ε) whatever β₁ and β₂; the rates are 0.05 and 0.005, without a warm-up."""
    run = run_of(tmp_path, {"水": with_adapters, "water": water}, max_grad_norm=0, kernels=kernels, num_epochs=50)
    before, taken = weights(run), {}
    step = run.optimizer.step

    def noted(rate):
        taken.update({name: gradient.numpy().copy() for name, gradient in run.optimizer.gradients().items()})
        step(rate)

    run.optimizer.step = noted
    result = next(train_steps(run))
    assert result.task == "水"
    own = {name for name in taken if name.startswith(("heads.水.task_adapters.", "heads.水.label_layer."))}
    assert {"heads.水.label_layer.weight", "heads.水.transform.weight"} <= taken.keys()
    assert len(own) > 2
    after = weights(run)
    for name, gradient in taken.items():
        rate, decay, epsilon = (0.05, 0.2, 1e-3) if name in own else (0.005, 0.0, 1e-8)
        decay *= not name.endswith("bias")
        wanted = before[name] * (1 - rate * decay) - rate * gradient / (np.abs(gradient) + epsilon)
        large = np.abs(gradient) > 1e-6  # the epsilon of Paddle's formula is a little smaller in the first step
        np.testing.assert_allclose(after[name][large], wanted[large], rtol=2e-3, atol=2e-4, err_msg=name)
    assert not any(name.startswith("heads.water.") for name in taken)


def test_two_heads_have_settings_of_their_own(tmp_path):
    def slow(folder):
        return task_of(folder, "water", ppt_learning_rate=1e-3)

    run = run_of(tmp_path, {"水": alone, "water": slow})
    group = run.optimizer._rule.group
    assert group.scales["heads.水.label_layer.weight"] == pytest.approx(10.0)
    assert group.scales["heads.water.label_layer.weight"] == pytest.approx(0.2)
    assert "heads.水.transform.weight" not in group.scales
    assert group.own["heads.水.label_layer.weight"].adam_beta1 == 0.5
    assert group.own["heads.water.label_layer.weight"].adam_beta1 == 0.9
    assert {name.split(".")[2] for name in group.own} == {"label_layer"}


def test_without_a_rate_of_their_own_they_have_that_of_the_head(tmp_path):
    run = run_of(tmp_path, {"水": lambda folder: task_of(folder, lr_scale=3.0)})
    group = run.optimizer._rule.group
    assert group.own == {}
    assert group.scales["heads.水.label_layer.weight"] == group.scales["heads.水.transform.weight"] == 3.0


def test_the_rest_of_the_head_keeps_lr_scale(tmp_path):
    run = run_of(tmp_path, {"水": lambda folder: task_of(folder, lr_scale=3.0, **PPT)})
    scales = run.optimizer._rule.group.scales
    assert (scales["heads.水.label_layer.bias"], scales["heads.水.transform.bias"]) == (pytest.approx(10.0), 3.0)


@pytest.mark.parametrize("kernels", ["plain", "auto"])
@pytest.mark.parametrize("keys", [{"freeze_plm": True}, {"freeze_dropout": True}], ids=str)
@pytest.mark.parametrize("sharing", ["hard", "adapter"])
def test_a_kept_encoder_keeps_its_bits(tmp_path, kernels, keys, sharing):
    run = run_of(tmp_path, {"水": lambda folder: task_of(folder, sharing=sharing, **keys, **PPT)}, kernels=kernels)
    assert prefixes(moved(run)) == {
        "heads.水.label_layer", *(["heads.水.task_adapters"] if sharing == "adapter" else [])
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["alternating", "joint"])
@pytest.mark.parametrize("kernels", ["plain", "auto"])
def test_in_a_mix_the_loss_of_one_task_does_not_change_the_encoder(tmp_path, mode, kernels):
    """The encoder ends in the bits of a run in which the task's loss counts for nothing, but its own head learns."""
    encoders, heads = [], []
    for weight in (1.0, 0.0):
        tasks = {
            "水": lambda folder, weight=weight: task_of(
                folder, sharing="adapter", freeze_plm=True, loss_weight=weight, **PPT
            ),
            "water": water,
        }
        run = run_of(tmp_path / str(weight), tasks, mode=mode, kernels=kernels, max_grad_norm=0, weight_decay=0.1)
        names = moved(run)
        assert any(name.startswith("backbone.") for name in names)
        assert "heads.水.transform.weight" not in names
        after = weights(run)
        encoders.append({name: value.tobytes() for name, value in after.items() if name.startswith("backbone.")})
        heads.append(after["heads.水.label_layer.weight"])
        assert any(name.startswith("heads.水.task_adapters.") for name in names)
    assert encoders[0] == encoders[1]
    assert not np.array_equal(*heads)


def test_an_update_of_a_task_that_keeps_the_encoder_does_not_decay_it(tmp_path):
    run = run_of(tmp_path, {"水": lambda folder: task_of(folder, freeze_plm=True), "water": water}, weight_decay=0.5)
    steps, seen = train_steps(run), {}
    before = weights(run)
    for result in steps:
        after = weights(run)
        changed = any(not np.array_equal(before[name], after[name]) for name in after if name.startswith("backbone."))
        seen.setdefault(result.task, set()).add(changed)
        before = after
    assert seen == {"水": {False}, "water": {True}}


def test_tasks_that_keep_the_encoder_share_no_pass_with_those_that_change_it(tmp_path):
    def shared(folder):
        return task_of(folder, "water", freeze_plm=True, share_rows_with="air")

    def air(folder):
        return tiny.classification_task(folder, "water")

    run = run_of(tmp_path, {"air": air, "water": shared}, mode="joint")
    names = moved(run)
    assert {"backbone", "heads.air.linear", "heads.water.label_layer"} == prefixes(names)


def test_freeze_dropout_computes_as_in_prediction(tmp_path):
    """With no dropout in the head, a step's loss is that of an evaluation of its batch."""
    rates = {"hidden_dropout_prob": 0.5, "attention_probs_dropout_prob": 0.5, "dropout_prob": 0.0}
    losses = {}
    for key in ("freeze_plm", "freeze_dropout"):
        run = run_of(tmp_path / key, {"水": lambda folder, key=key: task_of(folder, **{key: True})}, **rates)
        (task,) = run.tasks
        run.model.eval()
        expected = float(run.model.loss(task, task.batch_at(0)))
        losses[key] = next(train_steps(run)).loss, expected
    assert losses["freeze_dropout"][0] == pytest.approx(losses["freeze_dropout"][1], rel=1e-6)
    assert losses["freeze_plm"][0] != pytest.approx(losses["freeze_plm"][1], rel=1e-3)


def test_dropout_of_other_tasks_stays(tmp_path):
    tasks = {"水": lambda folder: task_of(folder, freeze_dropout=True), "water": water}
    run = run_of(tmp_path, tasks)
    modes = {result.task: run.model.backbone.training for result in train_steps(run)}
    assert modes == {"水": False, "water": True}


@pytest.mark.parametrize("kernels", ["plain", "auto"])
@pytest.mark.parametrize("freeze", [False, True])
def test_resume_in_the_same_bits(tmp_path, kernels, freeze):
    def prompt(folder):
        return task_of(folder, sharing="adapter", freeze_plm=freeze, use_rdrop=True, **PPT)

    keys = {"kernels": kernels, "gradient_accumulation_steps": 2, "weight_decay": 0.1, "max_steps": 8}
    tasks = {"水": prompt, "water": water}
    whole = run_of(tmp_path, tasks, **keys)
    for result in train_steps(whole):
        if result.global_step in (3, 4):
            save_checkpoint(whole, tmp_path / "ckpt", keep=9)
    for step in (3, 4):
        resumed = run_of(tmp_path, tasks, **keys)
        restore_checkpoint(resumed, tmp_path / "ckpt" / f"step_{step}")
        list(train_steps(resumed))
        one, other = weights(whole), weights(resumed)
        assert [name for name in one if not np.array_equal(one[name], other[name])] == []


def problems(folder, *, overrides=(), **keys):
    tasks = {name: make(folder) for name, make in keys.pop("tasks").items()}
    with pytest.raises(ConfigError) as caught:
        load_run_configs(tiny.config(folder, tasks, **keys), overrides=list(overrides))
    return [str(problem) for problem in caught.value.problems]


def warnings(folder, **keys):
    tasks = {name: make(folder) for name, make in keys.pop("tasks").items()}
    return [
        str(warning) for each in load_run_configs(tiny.config(folder, tasks, **keys), overrides=[])
        for warning in each.warnings
    ]  # fmt: skip


def test_a_paradigm_without_prompt_parameters_does_not_read_the_keys(tmp_path):
    (found,) = problems(tmp_path, tasks={"water": water}, overrides=["--tasks.water.ppt_learning_rate", "1e-3"])
    assert found.startswith(
        "--tasks.water.ppt_learning_rate: nothing in this run reads `ppt_learning_rate`. Found it with `1e-3`. It is a "
        "key of paradigm prompt, paradigm prompted"
    )


def test_the_keys_need_a_rate(tmp_path):
    (found,) = warnings(tmp_path, tasks={"水": lambda folder: task_of(folder, ppt_weight_decay=0.1)})
    assert (
        "`ppt_weight_decay` only has an effect with `ppt_learning_rate`. Found it with no `ppt_learning_rate`." in found
    )


def test_an_optimizer_without_betas_refuses_them(tmp_path, monkeypatch):
    from palm.engine.optim import OPTIMIZERS, OptimizerFields, PaddleUpdateRule

    class Descent(PaddleUpdateRule):
        Config = OptimizerFields

        def build(self, parameter, weight_decay):
            import paddle

            return paddle.optimizer.SGD(1.0, [parameter], weight_decay=weight_decay)

    monkeypatch.setitem(OPTIMIZERS._components, "descent", Descent)
    written = {"ppt_learning_rate": 0.1, "ppt_weight_decay": 0.1, "ppt_adam_beta1": 0.8}
    (found,) = problems(tmp_path, tasks={"水": lambda folder: task_of(folder, **written)}, optimizer="descent")
    assert found == (
        "config.tasks.水.ppt_adam_beta1: the optimizer takes each setting of prompt parameters. Found `ppt_adam_beta1` "
        "with optimizer: descent, which takes ppt_learning_rate, ppt_weight_decay. Remove the key."
    )
    del written["ppt_adam_beta1"]
    run = run_of(tmp_path, {"水": lambda folder: task_of(folder, **written)}, optimizer="descent")
    assert "heads.水.label_layer.weight" in moved(run)


@pytest.mark.parametrize(
    ("keys", "of_task", "words"),
    [
        ({"adversarial_epsilon": 0.1}, {}, "freeze_plm: the loss of `水` has no gradient of the encoder, and"),
        ({"unfreeze_every_n_steps": 2}, {}, "unfreeze_every_n_steps trains layers of the encoder after some steps."),
        ({"weighting": "pcgrad"}, {}, "weighting `pcgrad` combines the tasks' gradients of the encoder."),
        ({"log_gradient_cosines_every_n_steps": 2}, {}, "compares the tasks' gradients of the encoder"),
        ({}, {"layers": "mix"}, "Found `layers: mix`, whose parameters would not."),
    ],
)
def test_what_does_not_go_with_a_kept_encoder(tmp_path, keys, of_task, words):
    tasks = {"水": lambda folder: task_of(folder, freeze_plm=True, **of_task), "water": water}
    (found,) = problems(tmp_path, tasks=tasks, **keys)
    assert found.startswith("config.tasks.水.freeze_plm: ")
    assert words in found


def test_that_others_change_a_kept_encoder_is_said(tmp_path):
    keep = {"水": lambda folder: task_of(folder, freeze_dropout=True)}
    (found,) = warnings(tmp_path, tasks={**keep, "water": water})
    assert found == (
        "config.tasks.水.freeze_dropout: freeze_dropout: the loss of `水` does not change the encoder, but those of "
        "other tasks do. Found `water`. For an encoder that stays as it is, set the key for all tasks, or "
        "`freeze_encoder_of`."
    )
    assert warnings(tmp_path, tasks=keep) == []


def test_tasks_that_share_a_head_agree(tmp_path):
    tasks = {"水": alone, "water": lambda folder: task_of(folder, "water", share_head_with="水", ppt_learning_rate=0.1)}
    made = {name: make(tmp_path) for name, make in tasks.items()}
    with pytest.raises(ConfigError) as caught:
        load_run_configs(tiny.config(tmp_path, made), overrides=[], wiring=True)
    found = "\n".join(map(str, caught.value.problems))
    assert "a shared head has one ppt_learning_rate. Found 0.05 (`水`) and 0.1 (`water`). Make them equal." in found


@pytest.mark.parametrize("key", ["freeze_plm", "freeze_dropout"])
def test_a_head_in_which_nothing_would_train_is_refused(tmp_path, key):
    with pytest.raises(ConfigError, match=rf"{key}: only prompt parameters train, .* so nothing would train"):
        run_of(tmp_path, {"水": lambda folder: task_of(folder, paradigm="without_any", **{key: True})})


def test_a_rate_for_parameters_that_a_head_does_not_have_is_said(tmp_path, caplog):
    run_of(tmp_path, {"水": lambda folder: task_of(folder, paradigm="without_any", ppt_learning_rate=0.1)})
    assert [record.message for record in caplog.records if "ppt_learning_rate" in record.message] == [
        "tasks.水: ppt_learning_rate is the rate of prompt parameters. Found a head of `水` without any, so the key "
        "has no effect. Remove it."
    ]


def test_a_loss_over_pairs_of_examples_is_refused_with_several_ranks(tmp_path, monkeypatch):
    from palm.distributed.ranks import Ranks

    monkeypatch.setattr(training_run, "current_ranks", lambda: Ranks(0, 2))
    with pytest.raises(ConfigError, match=r"tasks\.水: use_rgl: .* so one process has them all\. Found 2 processes\."):
        run_of(tmp_path, {"水": lambda folder: task_of(folder, paradigm="without_any")})


def test_check_shows_where_the_keys_come_from(tmp_path):
    (config,) = load_run_configs(
        tiny.config(tmp_path, {"水": alone(tmp_path)}), overrides=["--ppt_learning_rate", "0.01"]
    )
    (row,) = [row for row in config.explain if row.key == "tasks.水.ppt_learning_rate"]
    assert (row.value, row.where) == (0.01, "--ppt_learning_rate")
    assert "0.05" in row.overridden


def test_r_drop_with_a_weight_of_0_is_off_and_that_is_said(tmp_path):
    off = {"水": lambda folder: task_of(folder, use_rdrop=True, alpha_rdrop=0)}
    (found,) = warnings(tmp_path, tasks=off)
    assert found == (
        "config.tasks.水.alpha_rdrop: use_rdrop adds a loss times alpha_rdrop. Found alpha_rdrop: 0, so it is off. Set "
        "alpha_rdrop, or remove use_rdrop."
    )
    ends = [weights(run) for run in (run_of(tmp_path, off), run_of(tmp_path)) if list(train_steps(run))]
    assert all(np.array_equal(value, ends[1][name]) for name, value in ends[0].items())


def test_both_weights_of_r_drop_are_refused(tmp_path):
    (found,) = problems(tmp_path, tasks={"水": lambda folder: task_of(folder, use_rdrop=True, rdrop_alpha=1)})
    assert "rdrop_alpha weights the mean of R-Drop's divergences over a batch, use_rdrop their sum; found both" in found


def test_r_drop_without_any_dropout_is_said(tmp_path):
    tasks = {"水": lambda folder: task_of(folder, use_rdrop=True, freeze_dropout=True, dropout_prob=0.0)}
    (found,) = warnings(tmp_path, tasks=tasks)
    assert found.startswith("config.tasks.水.use_rdrop: use_rdrop: R-Drop compares two passes under different dropout.")
    assert warnings(tmp_path, tasks={"水": lambda folder: task_of(folder, use_rdrop=True, freeze_dropout=True)}) == []


def test_the_sum_of_r_drop_is_a_mean_over_the_batches_of_an_update(tmp_path):
    """Two batches of an update: its gradient is the mean of theirs, each with the sum over its own rows."""
    still = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "max_grad_norm": 0, "batch_size": 5}
    found = []
    for batches in (1, 2):
        tasks = {"水": lambda folder: task_of(folder, use_rdrop=True, dropout_prob=0.4)}
        run = run_of(tmp_path / str(batches), tasks, gradient_accumulation_steps=batches, max_steps=2, **still)
        taken = []
        run.optimizer.step = lambda rate, run=run, taken=taken: (
            taken.append({name: each.numpy() for name, each in run.optimizer.gradients().items()}),
            run.optimizer.drop_gradients(),
        )
        list(train_steps(run))
        found.append(taken)
    (first, second), (both,) = found
    for name, gradient in both.items():
        np.testing.assert_allclose(gradient, (first[name] + second[name]) / 2, rtol=1e-3, atol=1e-5, err_msg=name)
