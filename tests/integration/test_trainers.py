"""The Python API of PALM 2: the article's script, and that its trainers are the one engine of the Controller."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import palm
from palm.engine.train import train_steps
from palm.errors import CheckpointError, ConfigError
from tests.integration import tiny
from tests.integration.small_encoder import write_small_encoder
from tests.live_runs import terminal

LINE = re.compile(
    r"global step: (\d+), (\w+): step (\d+)/(\d+) \(epoch (\d+)\), loss: \d+\.\d{3}, speed: \d+\.\d\d steps/s"
)
LABELS = ["air", "water"]
TAGS = ["B-colour", "O"]
DROPOUT = 0.1


def article(train_slot, train_intent, label_map, pre_params, config, output):
    """The script of the article that presents PALM 2, with `palm` for `paddlepalm` and real values for its names."""
    vocab_path, max_seqlen, random_seed, batch_size, num_epochs = f"{pre_params}/vocab.txt", 32, 1, 32, 1
    num_classes, num_classes_intent, input_dim, dropout_prob = len(label_map), 12, 32, 0.1
    lr, weight_decay = 1e-3, 0.01

    seq_label_reader = palm.reader.SequenceLabelReader(vocab_path, max_seqlen, label_map, seed=random_seed)
    cls_reader = palm.reader.ClassifyReader(vocab_path, max_seqlen, seed=random_seed)

    seq_label_reader.load_data(train_slot, file_format="tsv", num_epochs=None, batch_size=batch_size)
    cls_reader.load_data(train_intent, batch_size=batch_size, num_epochs=None)

    ernie = palm.backbone.ERNIE.from_config(config)

    seq_label_reader.register_with(ernie)
    cls_reader.register_with(ernie)

    seq_label_head = palm.head.SequenceLabel(num_classes, input_dim, dropout_prob)
    cls_head = palm.head.Classify(num_classes_intent, input_dim, dropout_prob)

    trainer_seq_label = palm.Trainer("slot", mix_ratio=1.0)
    trainer_cls = palm.Trainer("intent", mix_ratio=1.0)
    trainer = palm.MultiHeadTrainer([trainer_seq_label, trainer_cls])

    loss1 = trainer_cls.build_forward(ernie, cls_head)  # noqa: F841 (as the article has it)
    loss2 = trainer_seq_label.build_forward(ernie, seq_label_head)  # noqa: F841
    loss_var = trainer.build_forward()

    n_steps = seq_label_reader.num_examples * 1.5 * num_epochs
    warmup_steps = int(0.1 * n_steps)
    sched = palm.lr_sched.TriangularSchedualer(warmup_steps, n_steps)

    adam = palm.optimizer.Adam(loss_var, lr, sched)

    trainer.build_backward(optimizer=adam, weight_decay=weight_decay)

    trainer.fit_readers_with_mixratio([seq_label_reader, cls_reader], "slot", num_epochs)

    trainer.load_pretrain(pre_params)

    trainer.set_saver(save_path=output, save_steps=10)

    trainer.train(print_steps=10)
    return trainer


def test_the_articles_script_runs(repository, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = repository / "data" / "travel" / "en"
    write_small_encoder(tmp_path / "pretrain" / "ERNIE-v2-en-base", repository / "data" / "vocab" / "vocab_en.txt")
    tags = {tag for row in _rows(data / "slots" / "train.tsv") for tag in row[1].split()}
    label_map = {tag: number for number, tag in enumerate(sorted(tags))}
    intents = len({row[0] for row in _rows(data / "intent" / "train.tsv")})
    config = json.loads((tmp_path / "pretrain" / "ERNIE-v2-en-base" / "config.json").read_text(encoding="utf-8"))
    assert intents == 12

    trainer = article(
        str(data / "slots" / "train.tsv"), str(data / "intent" / "train.tsv"), label_map,
        "./pretrain/ERNIE-v2-en-base", config, "./outputs/",
    )  # fmt: skip

    lines = capsys.readouterr().out.splitlines()
    steps = [match for line in lines if (match := LINE.fullmatch(line))]
    numbers = [int(match[1]) for match in steps]
    assert numbers == list(range(10, numbers[-1] + 1, 10))
    assert {match[2] for match in steps} == {"slot", "intent"}
    assert {match[4] for match in steps} == {"15"}  # 480 examples in batches of 32
    assert "slot: train finished!" in lines
    assert "intent: train finished!" in lines
    last = trainer.session.run.progress
    assert min(last.task_steps.values()) == 15  # one epoch of each, and what the slower one's end took
    saved = sorted(path.name for path in Path("outputs/ckpt").iterdir())
    wanted = {*range(10, last.global_step + 1, 10), last.global_step}
    assert saved == sorted(f"step_{number}" for number in wanted)
    (loaded,) = [line for line in lines if "parameters loaded" in line]
    assert loaded.startswith("Pre-trained weights from ./pretrain/ERNIE-v2-en-base (Hugging Face): ")


def _rows(file):
    return [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[1:]]


@pytest.fixture
def files(tmp_path):
    """A vocabulary, and data of each kind."""
    made = {
        "cls": tiny.classification_task(tmp_path, "water"),
        "slots": tiny.slot_task(tmp_path, "slots"),
        "mlm": tiny.mlm_task(tmp_path, "words"),
        "match": tiny.match_task(tmp_path, "pairs"),
        "mrc": tiny.mrc_task(tmp_path, "questions"),
    }
    return {name: Path(task["train_file"]) for name, task in made.items()} | {"vocab": tiny.write_vocab(tmp_path)}


def reader_of(kind, files, phase="train", **settings):
    kinds = {
        "cls": palm.reader.ClassifyReader, "slots": palm.reader.SequenceLabelReader, "mlm": palm.reader.MaskLMReader,
        "match": palm.reader.MatchReader, "mrc": palm.reader.MRCReader,
    }  # fmt: skip
    if kind == "mrc":
        settings |= {"max_query_len": 12, "doc_stride": 8}
    reader = kinds[kind](files["vocab"], 24, seed=1, do_lower_case=True, phase=phase, **settings)
    reader.load_data(files[kind], batch_size=8)
    return reader


def backbone(**keys):
    return palm.backbone.BERT.from_config({**tiny.BACKBONE, **keys})


def pair(files, *, sched=None, lr=5e-3, epochs=2, **head):
    """Intent (main task) and slots over one encoder, ready to train."""
    trainers = [palm.Trainer("water", mix_ratio=1.0), palm.Trainer("slots", mix_ratio=0.6)]
    both = palm.MultiHeadTrainer(trainers)
    shared = backbone()
    trainers[0].build_forward(shared, palm.head.Classify(2, 32, DROPOUT, **head))
    trainers[1].build_forward(shared, palm.head.SequenceLabel(2, 32, DROPOUT, **head))
    both.build_backward(palm.optimizer.Adam(both.build_forward(), lr, sched), weight_decay=0.01)
    both.fit_readers_with_mixratio([reader_of("cls", files), reader_of("slots", files)], "water", epochs)
    return both


def single(files, kind="cls", head=None, epochs=2):
    trainer = palm.Trainer(kind)
    loss = trainer.build_forward(backbone(), head or palm.head.Classify(2, 32, DROPOUT))
    trainer.build_backward(palm.optimizer.Adam(loss, 5e-3))
    reader = reader_of(kind, files)
    reader.num_epochs = epochs
    trainer.fit_reader(reader)
    return trainer


def weights(trainer):
    return {name: tensor.numpy() for name, tensor in trainer.session.model.state_dict().items()}


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    assert [name for name in one if one[name].tobytes() != other[name].tobytes()] == []


def test_trainers_and_controller_are_one_engine(files, tmp_path):
    """The same run through YAML's way and through the Python API ends in the same bits."""
    tasks = {
        "water": {**tiny.classification_task(tmp_path, "water"), "mix_ratio": 1.0},
        "slots": {**tiny.slot_task(tmp_path, "slots"), "mix_ratio": 0.6},
    }
    keys = {"warmup_proportion": 0.25, "weight_decay": 0.01, "dropout_prob": DROPOUT}
    controller = palm.Controller(tiny.config(tmp_path, tasks, **keys), overrides=[])
    reference = controller._training_run()
    losses = [result.loss for result in train_steps(reference)]

    sched = palm.lr_sched.TriangularSchedualer(int(0.25 * reference.total_steps), reference.total_steps)
    trainer = pair(files, sched=sched, param_initializer_range=tiny.BACKBONE["initializer_range"])
    assert trainer.session.run.total_steps == reference.total_steps
    assert [result.loss for result in train_steps(trainer.session.run)] == losses
    wanted = {name: tensor.numpy() for name, tensor in reference.model.state_dict().items()}
    assert_same_bits(weights(trainer), wanted)


def test_steps_by_hand_are_the_same_steps(files):
    whole, by_hand = pair(files), pair(files)
    whole.train()
    for number in range(1, whole.session.run.progress.global_step + 1):
        result = by_hand.train_one_step(by_hand.get_one_batch())
        assert result.global_step == number
    assert result.last
    assert_same_bits(weights(by_hand), weights(whole))


def test_training_goes_on_after_steps_by_hand(files):
    whole, mixed = single(files), single(files)
    whole.train()
    for _ in range(3):
        mixed.train_one_step(mixed.get_one_batch())
    mixed.train()
    assert_same_bits(weights(mixed), weights(whole))


def test_a_loaded_checkpoint_goes_on_to_the_same_bits(files, tmp_path, capsys):
    whole = pair(files)
    whole.set_saver(tmp_path / "out", save_steps=4)
    whole.train()
    assert (tmp_path / "out" / "log.txt").read_text(encoding="utf-8").count("checkpoint saved") >= 2

    resumed = pair(files)
    resumed.load_ckpt(tmp_path / "out" / "ckpt" / "step_4")
    resumed.train(print_steps=1)
    numbers = [int(match[1]) for line in capsys.readouterr().out.splitlines() if (match := LINE.fullmatch(line))]
    assert numbers[-2:] == list(range(numbers[-1] - 1, numbers[-1] + 1))
    assert_same_bits(weights(resumed), weights(whole))


def test_palm_2s_name_of_a_checkpoint_finds_it(files, tmp_path):
    trainer = single(files)
    trainer.set_saver(tmp_path / "out", save_steps=-1)
    trainer.train()
    step = trainer.session.run.progress.global_step
    other = single(files)

    for place in (tmp_path / "out" / f"ckpt.step{step}", tmp_path / "out", tmp_path / "out" / "ckpt"):
        other.load_ckpt(place)
        assert_same_bits(weights(other), weights(trainer))
    with pytest.raises(CheckpointError, match="no checkpoint here"):
        other.load_ckpt(tmp_path)


def test_the_rate_is_what_the_schedule_says_and_constant_without_one(files):
    constant = pair(files)
    scheduled = pair(files, sched=palm.lr_sched.WarmupScheduler(4))

    assert [constant.train_one_step(constant.get_one_batch()).learning_rate for _ in range(3)] == [5e-3] * 3
    rates = [scheduled.train_one_step(scheduled.get_one_batch()).learning_rate for _ in range(5)]
    assert rates == pytest.approx([1.25e-3, 2.5e-3, 3.75e-3, 5e-3, 5e-3])


def test_expected_steps_follow_the_sampling_reference(files):
    trainer = pair(files, epochs=3)
    assert trainer.session.run.targets == {"water": 18, "slots": 10}  # 48/8 batches × 3 epochs, and 0.6 of them
    trainer.fit_readers_with_mixratio([reader_of("cls", files), reader_of("slots", files)], "slots", 3)
    assert trainer.session.run.targets == {"slots": 12, "water": 20}  # 32/8 × 3, and 1 / 0.6 of them


def test_an_auxiliary_task_ends_nothing_and_has_no_model(files, tmp_path):
    trainer = pair(files)
    trainer.trainers[1].set_as_aux()
    trainer.set_saver(tmp_path / "out", save_steps=-1, save_type="predict")
    trainer.train()

    assert trainer.session.run.targets == {"water": 12}
    (place,) = (tmp_path / "out" / "predict").iterdir()
    assert sorted(folder.name for folder in place.iterdir()) == ["infer_model", "water"]


def test_an_auxiliary_task_is_no_sampling_reference(files):
    trainer = pair(files)
    trainer.trainers[0].set_as_aux()
    with pytest.raises(ConfigError, match="the sampling reference is a target"):
        trainer.train()


def test_heads_are_shared_only_where_that_is_asked_for(files):
    def names(**reuse):
        trainers = [palm.Trainer("one"), palm.Trainer("two", **reuse)]
        both = palm.MultiHeadTrainer(trainers)
        shared = backbone()
        for trainer in trainers:
            trainer.build_forward(shared, palm.head.Classify(2, 32))
        return {name.split(".")[1] for name in both.session.model.state_dict() if name.startswith("heads.")}

    assert names() == {"one", "two"}
    assert names(reuse_head_with="one") == {"one"}


def test_joint_prediction_is_the_separate_ones_from_one_pass(files, monkeypatch):
    trainer = pair(files)
    trainer.train()
    passes = []
    forward = type(trainer.session.model.backbone).forward
    monkeypatch.setattr(
        type(trainer.session.model.backbone),
        "forward",
        lambda self, inputs, layer=-1: passes.append(1) or forward(self, inputs, layer),
    )

    trainer.fit_reader(reader_of("slots", files, phase="predict"))
    joint = trainer.predict()
    assert len(passes) == 4  # 32 sentences in batches of 8, for both heads

    trainer.trainers[1].fit_reader(reader_of("slots", files, phase="predict"), phase="predict")
    texts = {**files, "cls": _texts_of(files["slots"])}
    trainer.trainers[0].fit_reader(reader_of("cls", texts, phase="predict"), phase="predict")
    separate = trainer.predict()
    assert len(passes) == 4 + 8
    assert joint["slots"] == separate["slots"]
    assert [row["label"] for row in joint["water"]] == [row["label"] for row in separate["water"]]
    np.testing.assert_allclose(
        [row["logits"] for row in joint["water"]], [row["logits"] for row in separate["water"]], atol=1e-6
    )
    assert {row["label"] for row in joint["water"]} == set(LABELS)


def _texts_of(slots):
    """The sentences of the slots' file, as a file without tags."""
    file = slots.with_name("texts.tsv")
    rows = [line.split("\t")[0] for line in slots.read_text(encoding="utf-8").splitlines()]
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file


def test_joint_prediction_of_texts_longer_than_a_window(files, tmp_path):
    """Tags of every word, from all windows; one label a text, from the window with its beginning."""
    trainer = pair(files)
    trainer.train()
    long = tmp_path / "long.tsv"
    text = "the big red fish in the house " * 8
    long.write_text(f"text_a\n{text.strip()}\nthe small green bird\n", encoding="utf-8")
    trainer.fit_reader(reader_of("slots", {**files, "slots": long}, phase="predict"))

    found = trainer.predict()
    assert [len(row["labels"]) for row in found["slots"]] == [56, 4]
    assert [row["index"] for row in found["water"]] == [0, 1]


def test_a_reader_that_does_not_suit_every_head_is_refused(files):
    trainer = pair(files)
    trainer.fit_reader(reader_of("cls", files, phase="predict"))
    with pytest.raises(ConfigError, match="the head of `slots` needs `word_index`, which the reader does not provide"):
        trainer.predict()


def test_saved_models_predict_elsewhere_alone_and_together(files, tmp_path):
    trainer = pair(files)
    trainer.set_saver(tmp_path / "out", save_steps=-1, save_type="ckpt,predict")
    trainer.train()
    trainer.fit_reader(reader_of("slots", files, phase="predict"))
    wanted = trainer.predict()
    (place,) = (tmp_path / "out" / "predict").iterdir()

    together = palm.MultiHeadTrainer([palm.Trainer("water"), palm.Trainer("slots")])
    together.load_predict_model(place)
    together.fit_reader(reader_of("slots", files, phase="predict"))
    assert together.predict(tmp_path / "predictions") == wanted
    for name in wanted:
        lines = (tmp_path / "predictions" / name / "predictions.json").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == wanted[name]

    alone = palm.Trainer("slots")
    alone.load_predict_model(place / "slots")
    alone.fit_reader(reader_of("slots", files, phase="predict"), phase="predict")
    assert alone.predict() == wanted["slots"]
    assert palm.Predictor(place / "slots").predict(files["slots"]) == wanted["slots"]


def test_models_of_different_encoders_do_not_predict_together(files, tmp_path):
    trainer = pair(files)
    trainer.set_saver(tmp_path / "out", save_steps=2, save_type="predict")
    trainer.train()
    steps = sorted((tmp_path / "out" / "predict").iterdir(), key=lambda path: int(path.name[5:]))
    (steps[0] / "slots").rename(tmp_path / "aside")
    (steps[-1] / "slots").rename(steps[0] / "slots")

    together = palm.MultiHeadTrainer([palm.Trainer("water"), palm.Trainer("slots")])
    with pytest.raises(CheckpointError, match="Those of `water` and `slots` differ"):
        together.load_predict_model(steps[0])


def test_one_task_predicts_from_a_checkpoint_of_several(files, tmp_path):
    """As PALM 2's example does: another process builds the one head, and loads its part of the checkpoint."""
    trainer = pair(files)
    trainer.set_saver(tmp_path / "out", save_steps=-1)
    trainer.train()
    trainer.trainers[1].fit_reader(reader_of("slots", files, phase="predict"), phase="predict")
    wanted = trainer.trainers[1].predict()

    alone = palm.Trainer("slots")
    alone.build_predict_forward(backbone(), palm.head.SequenceLabel(2, 32, phase="predict"))
    alone.load_ckpt(tmp_path / "out")
    alone.fit_reader(reader_of("slots", files, phase="predict", label_map=TAGS), phase="predict")
    assert alone.predict() == wanted


def test_batches_to_predict_come_in_the_order_of_the_file(files):
    trainer = single(files)
    trainer.train()
    reader = reader_of("cls", files, phase="predict")
    trainer.fit_reader(reader, phase="predict")
    logits = []
    while (batch := trainer.get_one_batch("predict")) is not None:
        logits += trainer.predict_one_batch(batch)["logits"].tolist()

    wanted = [row["logits"] for row in trainer.predict()]
    np.testing.assert_allclose(logits, wanted, atol=1e-6)


HEADS = {
    "cls": lambda: palm.head.Classify(2, 32),
    "match": lambda: palm.head.Match(2, 32),
    "slots": lambda: palm.head.SequenceLabel(2, 32),
    "mlm": lambda: palm.head.MaskLM(32, tiny.BACKBONE["vocab_size"], "gelu"),
    "mrc": lambda: palm.head.MRC(12, 32, max_ans_len=4),
}


@pytest.mark.parametrize("kind", HEADS)
def test_every_head_trains_and_predicts(kind, files, tmp_path):
    if kind == "mlm":
        text = files["mlm"].read_text(encoding="utf-8")
        to_predict = tmp_path / "masked.tsv"
        to_predict.write_text(re.sub("red|green|blue", "[MASK]", text), encoding="utf-8")
    else:
        to_predict = files[kind]
    trainer = single(files, kind, HEADS[kind](), epochs=4)
    losses = [result.loss for result in train_steps(trainer.session.run)]
    assert np.mean(losses[-4:]) < np.mean(losses[:4])

    reader = reader_of(kind, {**files, kind: to_predict}, phase="predict")
    trainer.fit_reader(reader, phase="predict")
    predictions = trainer.predict()
    assert len(predictions) == len(reader.dataset.records)


def test_chinese(tmp_path):
    task = tiny.classification_task(tmp_path, "水", chinese=True)
    files = {"cls": Path(task["train_file"]), "vocab": tiny.write_vocab(tmp_path)}
    reader = palm.reader.ClassifyReader(files["vocab"], 24, lang="zh")
    reader.load_data(files["cls"], batch_size=8, num_epochs=4)
    trainer = palm.Trainer("水")
    loss = trainer.build_forward(backbone(), palm.head.Classify(2, 32))
    trainer.build_backward(palm.optimizer.Adam(loss, 5e-3))
    trainer.fit_reader(reader)
    trainer.train()

    assert trainer.evaluate(task["dev_file"])["accuracy"] > 0.9


def test_numbers_are_class_ids_even_where_the_file_lacks_some(files):
    rows = [[str(2 * int(label == "water")), text] for label, text in tiny.classification_rows(16, seed=1)]
    file = tiny.write_tsv(files["cls"].with_name("ids.tsv"), ["label", "text_a"], rows)
    trainer = palm.Trainer("ids")
    trainer.build_forward(backbone(), palm.head.Classify(5, 32))
    reader = reader_of("cls", {**files, "cls": file})
    trainer.fit_reader(reader)

    assert reader.labels.names == ("0", "1", "2", "3", "4")
    assert set(reader.dataset.array("label_ids").tolist()) == {0, 2}


def test_an_average_of_the_weights_predicts_is_evaluated_and_saved(files, tmp_path):
    trainer = palm.Trainer("water")
    loss = trainer.build_forward(backbone(), palm.head.Classify(2, 32))
    trainer.build_backward(palm.optimizer.Adam(loss, 5e-3), use_ema=True, ema_decay=0.9)
    trainer.fit_reader(reader_of("cls", files))
    trainer.set_saver(tmp_path / "out", save_steps=-1, save_type="predict")
    trainer.train()
    trainer.fit_reader(reader_of("cls", files, phase="predict"), phase="predict")
    (place,) = (tmp_path / "out" / "predict").iterdir()

    own = weights(trainer)
    exported = palm.Predictor(place / "water")
    assert trainer.predict() == exported.predict(files["cls"])
    assert trainer.evaluate(files["cls"]) == exported.evaluate(files["cls"])
    assert_same_bits(weights(trainer), own)


def no_forward(files):
    palm.Trainer("a").train()


def no_backward(files):
    trainer = palm.Trainer("a")
    trainer.build_forward(backbone(), palm.head.Classify(2, 32))
    trainer.fit_reader(reader_of("cls", files))
    trainer.train()


def no_reader(files):
    trainer = palm.Trainer("a")
    trainer.build_backward(palm.optimizer.Adam(trainer.build_forward(backbone(), palm.head.Classify(2, 32)), 1e-3))
    trainer.train()


def nothing_to_predict(files):
    trainer = single(files)
    trainer.predict()


def wrong_phase(files):
    trainer = single(files)
    trainer.fit_reader(reader_of("cls", files), phase="predict")


def other_vocabulary(files):
    trainer = single(files)
    reader = palm.reader.ClassifyReader(files["vocab"], 24, phase="predict")
    reader.load_data(files["cls"], 8)
    trainer.fit_reader(reader, phase="predict")


def wrong_width(files):
    trainer = single(files, head=palm.head.Classify(2, 768))
    trainer.train()


def wrong_count(files):
    trainer = single(files, head=palm.head.Classify(1, 32))
    trainer.train()


def wrong_reader(files):
    trainer = single(files, head=palm.head.MRC(12, 32))
    trainer.train()


def different_backbones(files):
    trainer = pair(files)
    trainer.trainers[0].build_forward(backbone(hidden_size=64), palm.head.Classify(2, 64))
    trainer.build_forward()


def unknown_reference(files):
    pair(files).fit_readers_with_mixratio([reader_of("cls", files), reader_of("slots", files)], "slot", 1)


def nothing_loaded(files):
    palm.reader.ClassifyReader(files["vocab"], 24).num_examples  # noqa: B018 (a property that refuses)


def two_of_one_name(files):
    palm.MultiHeadTrainer([palm.Trainer("a"), palm.Trainer("a")])


def a_path_for_a_name(files):
    palm.Trainer("../slots")


def unknown_save_type(files):
    single(files).set_saver("out", 10, save_type="checkpoint")


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (no_forward, r'palm.Trainer("a"): backbone and head are needed first. Call build_forward(backbone, head).'),
        (no_backward, r"train: an optimizer is needed first. Call build_backward(optimizer)."),
        (no_reader, r"""palm.Trainer("a"): data are needed first. Call fit_reader(reader, phase='train')."""),
        (nothing_to_predict, r"Call fit_reader(reader, phase='predict')."),
        (
            wrong_phase,
            r"data to predict come from a reader made with phase='predict'. Found one made with phase='train'.",
        ),
        (other_vocabulary, r"data are read with the vocabulary, do_lower_case and lang of training. Found others."),
        (wrong_width, r"input_dim is the width of the encoder. Found 768 over an encoder 32 wide."),
        (wrong_count, r"n_classes must be the number of labels. Found 1, but the labels are 2: air, water."),
        (wrong_reader, r"paradigm `mrc` needs `start_positions` from reader `cls`, which does not fit"),
        (different_backbones, r"all tasks, in training and prediction, share one backbone."),
        (unknown_reference, r"one of the trainers (water, slots) is expected. Found `slot`."),
        (nothing_loaded, r"palm.reader.ClassifyReader: a reader gives the examples of a file. Call load_data first."),
        (two_of_one_name, r"trainers of different names are expected. Found a, a."),
        (a_path_for_a_name, r'palm.Trainer("../slots"): a name is made of letters, digits, `_`, `-` and blanks inside'),
        (unknown_save_type, r"save_type is `ckpt`, `predict`, or both with a comma between. Found `checkpoint`."),
    ],
)
def test_what_is_missing_or_wrong_is_said(mistake, message, files):
    with pytest.raises(ConfigError) as caught:
        mistake(files)
    assert message in str(caught.value)


def test_trainers_tell_callbacks_what_the_metrics_file_has(files, tmp_path):
    class Seen(palm.Callback):
        def __init__(self):
            self.told = []

        def on_begin(self, event):
            self.told.append(("begin", event.name, sorted(event.config["tasks"])))

        def on_step(self, event):
            self.told.append(("train", event.global_step, event.task))

        def on_end(self, event):
            self.told.append(("end", event.global_step, event.outcome))

    seen, both = Seen(), pair(files)
    both.configure(report_to="none")
    both.set_saver(tmp_path / "out", -1, "ckpt")
    both.train(print_steps=1, callbacks=[seen])
    lines = [line for line in tiny.metrics(tmp_path) if line["split"] == "train"]
    steps = [("train", line["global_step"], line["task"]) for line in lines]
    begin, end = ("begin", "out", ["slots", "water"]), ("end", steps[-1][1], "finished")
    assert seen.told == [begin, *steps, end]


def on_a_terminal(monkeypatch, train, **given):
    """The screen after a run, and all that was written to it."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp())
    with terminal(80, 30) as screen:
        train(print_steps=1, **given)
        return "\n".join(screen.lines), screen.written.decode()


def test_on_a_terminal_trainers_have_the_panel_and_the_table(files, tmp_path, monkeypatch):
    both = pair(files)
    both.trainers[0].set_dev_file(tmp_path / "water.dev.tsv")
    both.configure(report_to="none")
    both.set_saver(tmp_path / "出", -1, "predict")
    shown, written = on_a_terminal(monkeypatch, both.train)
    steps = tiny_metrics(tmp_path / "出", "train")[-1]["global_step"]
    assert f"PALM 出  {steps} steps in" in shown
    assert re.search(r"water +│ accuracy +│ [01]\.\d{4} │ +\d+ │", shown), "its best metric, and the step of its model"
    assert "2 tasks × 80 rows" in written, "the panel's header"
    assert "global step: 1, " not in written
    assert "inference models saved at" in written
    assert "global step: 1, " in (tmp_path / "出" / "log.txt").read_text(encoding="utf-8")


def test_a_trainer_without_a_saver_has_a_panel_as_well(files, monkeypatch):
    shown, written = on_a_terminal(monkeypatch, single(files, epochs=1).train)
    assert "PALM run  6 steps in" in shown
    assert "1 task × 48 rows × 6 steps" in written


def test_a_trainer_that_resumes_shows_what_it_had_before(files, tmp_path, monkeypatch):
    trainer = single(files)
    trainer.configure(report_to="none")
    trainer.set_dev_file(tmp_path / "water.dev.tsv")
    trainer.set_saver(tmp_path / "out", -1, "ckpt")
    trainer.train(log="lines")
    again = single(files, epochs=3)
    again.configure(report_to="none")
    again.set_dev_file(tmp_path / "water.dev.tsv")
    again.set_saver(tmp_path / "out", -1, "ckpt")
    shown, written = on_a_terminal(monkeypatch, again.train, resume=True)
    assert "18 steps in" in shown
    assert "12/18" in written, "it goes on after the 12 steps of before"


def test_a_trainer_shows_lines_where_they_are_asked_for(files, monkeypatch):
    shown, _ = on_a_terminal(monkeypatch, single(files, epochs=1).train, log="lines")
    assert shown.count("step ") == 6
    assert "PALM run" not in shown


def tiny_metrics(folder, split):
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["split"] == split]
