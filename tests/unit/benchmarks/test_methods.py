"""benchmarks/methods.py: what it draws, asks for, writes and publishes, on a few made-up rows of each data set."""

import json
import sys

import pytest
import yaml

from benchmarks import methods
from palm.balancing.sampling import SAMPLERS, TaskMixture


def rows_of(file):
    header, *rows = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    return header, rows


def put(file, *lines):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def dumped(*rows):
    return [json.dumps(row, ensure_ascii=False) for row in rows]


def test_rows_are_drawn_once_each_and_always_the_same():
    rows = [(str(number),) for number in range(50)]
    found = methods.drawn(rows, 20)
    assert len({*found}) == len(found) == 20
    assert {*found} < {*rows}
    assert found != rows[:20]
    assert methods.drawn(rows, 20) == found
    assert sorted(methods.drawn(rows, 99)) == sorted(rows)


def test_clue_has_rows_of_three_data_sets_without_those_lacking_agreement(tmp_path, monkeypatch):
    monkeypatch.setattr(methods, "DEV_ROWS", 1)
    data, out = tmp_path / "data", tmp_path / "out"
    out.mkdir()
    for split in ("train", "dev"):
        put(data / "tnews" / f"{split}.tsv", "股市\t今天大涨\t财经", "球赛结束\t体育", "新手机\t科技")
    pairs = dumped(
        {"label": "-", "sentence1": "无", "sentence2": "无"},
        {"label": "neutral", "sentence1": "一", "sentence2": "二"},
        {"label": "entailment", "sentence1": "三", "sentence2": "四"},
    )
    for name in ("train.10k.json", "dev.json"):
        put(data / "ocnli" / name, *pairs)
    for name in ("valid.txt", "test.txt"):
        put(data / "cluemotion2020" / name, *dumped({"label": "like", "content": "真\t好 \n 看"}))
    methods.clue(data, out, 2)
    assert {file.name for file in out.iterdir()} == {
        f"{name}.{split}.tsv" for name in ("tnews", "ocnli", "emotion") for split in ("train", "dev")
    }
    for split, count in (("train", 2), ("dev", 1)):
        header, found = rows_of(out / f"tnews.{split}.tsv")
        assert header == ["label", "text_a"]
        assert len(found) == count
        assert all(row in [["财经", "股市 今天大涨"], ["体育", "球赛结束"], ["科技", "新手机"]] for row in found)
    header, found = rows_of(out / "ocnli.train.tsv")
    assert header == ["label", "text_a", "text_b"]
    assert sorted(found) == [["entailment", "三", "四"], ["neutral", "一", "二"]]
    assert rows_of(out / "emotion.train.tsv") == (["label", "text_a"], [["like", "真 好 看"]])


@pytest.mark.parametrize(("rte", "sst2"), [("rte", "sst2"), ("glue_rte", "sst2_full")])
def test_rte_has_all_pairs_and_some_phrases_whatever_the_folders_are_called(tmp_path, rte, sst2):
    data, out = tmp_path / "data", tmp_path / "out"
    out.mkdir()
    for split in ("train", "dev"):
        put(data / rte / f"{split}.tsv", "index\tsentence1\tsentence2\tlabel", f"0\tA {split}.\tB.\tentailment")
    heads = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
    put(data / "mrpc" / "msr_paraphrase_train.txt", heads, '1\t7\t8\tHe said "yes.\tHe did.', "0\t7\t8\tC.\tD.")
    put(data / sst2 / "sentiment-train", "a fine film\t1", "a bore\t0", "so so\t0")
    methods.rte(data, out, 2)
    assert rows_of(out / "rte.train.tsv") == (["label", "text_a", "text_b"], [["entailment", "A train.", "B."]])
    assert rows_of(out / "rte.dev.tsv")[1] == [["entailment", "A dev.", "B."]]
    assert rows_of(out / "mrpc.train.tsv")[1] == [["1", 'He said "yes.', "He did."], ["0", "C.", "D."]]
    phrases = rows_of(out / "sst2.train.tsv")[1]
    assert len(phrases) == 2
    assert all(row in [["1", "a fine film"], ["0", "a bore"], ["0", "so so"]] for row in phrases)


def test_the_mix_has_files_of_the_sizes_that_are_said(tmp_path):
    methods.mix(tmp_path / "none", tmp_path, 0)
    found = [len(rows_of(tmp_path / f"cls{number}.train.tsv")[1]) for number in range(1, 7)]
    assert found == list(methods.MIX_SIZES)
    assert (tmp_path / "dev.tsv").stat().st_size > 0


def test_atis_keeps_both_tables_row_by_row_and_cuts_training_alone(tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    out.mkdir()
    for split in ("train", "dev", "test"):
        put(data / "atis" / split / "seq.in", *(f"to town{number}" for number in range(4)))
        put(data / "atis" / split / "seq.out", *["O B-city"] * 4)
        put(data / "atis" / split / "label", *(f"kind{number}" for number in range(4)))
    methods.atis(data, out, 3)
    for split, count in (("train", 3), ("dev", 4), ("test", 4)):
        intents = [[f"kind{number}", f"to town{number}"] for number in range(count)]
        assert rows_of(out / f"intent.{split}.tsv") == (["label", "text_a"], intents)
        slots = [[f"to town{number}", "O B-city"] for number in range(count)]
        assert rows_of(out / f"slots.{split}.tsv") == (["text_a", "label"], slots)


@pytest.mark.parametrize(
    ("sampler", "wanted"),
    [
        ("mix_ratio", [2 / 3, 1 / 3]),
        ("exact", [16 / 17, 1 / 17]),
        ("proportional", [16 / 17, 1 / 17]),
        ("temperature", [4 / 5, 1 / 5]),
        # Three steps, with powers 1, 0.6 and 0.2: 16 ** 0.6 = 5.278032, 16 ** 0.2 = 1.741101.
        ("annealed", [(16 / 17 + 5.278032 / 6.278032 + 1.741101 / 2.741101) / 3, None]),
        ("adaptive", None),
    ],
)
def test_what_is_asked_of_a_sampler_by_hand(monkeypatch, sampler, wanted):
    """Eight rows per batch: 8 batches twice as often as 1 batch, so sizes 16 and 1."""
    monkeypatch.setattr(methods, "MIX_RATIOS", (2.0, 1.0))
    monkeypatch.setattr(methods, "MIX_SIZES", (71, 8))
    monkeypatch.setattr(methods, "MIX_STEPS", 3)
    found = methods.expected_rates(sampler)
    if wanted is None:
        assert found is None
    else:
        assert found[0] == pytest.approx(wanted[0], rel=1e-6)
        assert sum(found) == pytest.approx(1)


def test_what_is_asked_is_what_the_samplers_of_the_configuration_mean():
    config = yaml.safe_load((methods.CONFIGS / "mix.yaml").read_text(encoding="utf-8"))
    assert config["mix_ratio"] == ", ".join(map(str, methods.MIX_RATIOS))
    batches = [rows // config["batch_size"] for rows in methods.MIX_SIZES]
    mixture = TaskMixture(methods.MIX_RATIOS, batches, seed=1, num_epochs=1e9)
    for name in SAMPLERS:
        steps = SAMPLERS[name](SAMPLERS[name].Config(), mixture).epoch_steps
        if steps is not None and methods.expected_rates(name):
            shares = [own / sum(steps) for own in steps]
            assert methods.expected_rates(name) == pytest.approx(shares, abs=0.01), (
                name
            )  # half a step is rounded in `exact`


def test_what_came_is_counted_from_the_training_lines_alone(tmp_path, monkeypatch):
    def palm(*words, work):
        out = next(word.removeprefix("--save_path=") for word in words if word.startswith("--save_path="))
        lines = [{"split": "train", "task": "cls1"}] * 3 + [{"split": "train", "task": "cls2"}]
        put(work / out / "metrics.jsonl", *dumped(*lines, {"split": "dev", "task": "cls2"}))

    monkeypatch.setattr(methods, "palm", palm)
    monkeypatch.setattr(methods, "MIX_RATIOS", (1.0, 1.0, 2.0))
    monkeypatch.setattr(methods, "MIX_SIZES", (80, 80, 80))
    found = [line.strip("| ").split(" | ") for line in methods.samplers(tmp_path, []).splitlines()]
    assert ["mix_ratio", "expected", "0.250", "0.250", "0.500"] in [row[:5] for row in found]
    assert ["mix_ratio", "observed", "0.750", "0.250", "0.000", "0.500"] in found
    assert ["adaptive", "expected", "varies", "varies", "varies"] in [row[:5] for row in found]


def test_publishing_rewrites_its_own_section_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(methods, "RESULTS", tmp_path / "results.md")
    methods.publish("atis", "old figures 旧", {"seeds": "1"}, "python -m benchmarks.methods atis")
    methods.publish("mix", "of the mix", {"seeds": "1"}, "python -m benchmarks.methods mix")
    methods.publish("atis", "new figures 新", {"seeds": "3", "cpu": "X"}, "python -m benchmarks.methods atis --seeds 3")
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert text.startswith("# Results of the methods\n")
    assert "old figures" not in text
    assert text.count("## ATIS") == text.count("## Six tasks") == 1
    wanted = "```bash\npython -m benchmarks.methods atis --seeds 3\n```\n\nseeds 3; cpu X\n\nnew figures 新\n"
    assert wanted in text
    assert text.index("## ATIS") < text.index("of the mix")


def test_an_encoder_is_a_folder_or_lies_in_one(tmp_path):
    own = tmp_path / methods.ENCODERS["rte"]
    with pytest.raises(SystemExit, match=f"--models: must be the folder of an encoder, or contain {own.name}"):
        methods.encoder(tmp_path, "rte")
    put(own / "config.json", "{}")
    assert methods.encoder(tmp_path, "rte") == methods.encoder(own, "rte") == own.resolve()


def test_preparing_writes_the_data_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(methods, "RESULTS", tmp_path / "results.md")
    monkeypatch.setattr(sys, "argv", ["methods", "mix", "--work", str(tmp_path / "work"), "--prepare_only"])
    assert methods.main() == 0
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*")] == ["work"]
    assert (tmp_path / "work" / "data" / "mix" / "cls6.train.tsv").is_file()


def test_a_folder_without_the_files_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["methods", "rte", "--data", str(tmp_path), "--work", str(tmp_path / "work")])
    with pytest.raises(SystemExit, match="does not contain the public files of rte"):
        methods.main()
