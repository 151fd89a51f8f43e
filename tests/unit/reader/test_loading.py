"""With a cache and without, a file gives the same data set, the same labels, the same errors and warnings."""

import json
import multiprocessing
import os
import resource
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palm.data.cache import entries
from palm.data.dataset import LabelMap, Ragged
from palm.data.tokenizer import Tokenizer
from palm.errors import DataError
from palm.reader import loading as loading_module
from palm.reader.base import READERS
from palm.reader.cls import ClassificationReader
from palm.reader.loading import _PACKAGE, _SOURCES, cache_key, load_dataset
from tests.unit.reader.conftest import PIECES

CLS = "label\ttext_a\n" + "".join(f"{label}\t{text}\n" for label, text in [
    ("good", "the cat"), ("bad", "我爱北京"), ("good", "cats, sat on the mat."), ("ugly", "你好 film"),
    ("bad", "a b c d e f g h"), ("good", "北京在哪里?"), ("bad", "sat")])  # fmt: skip
MATCH = "text_b\tlabel\ttext_a\n" + "".join(
    f"{text}\t{n % 2}\t北京 {text}\n" for n, text in enumerate("abcdefgh我你好")
)
MLM = "text_a\n" + "".join(f"{text} 我爱 the cat\n" for text in "abcdefgh")
TAGS = "".join(f"{word}\t{tag}\n" for word, tag in [("the", "O"), ("北京", "B-城市"), ("cats", "O")]) + "\n"
CONLL = TAGS * 9 + "".join("film\tB-x\n" for _ in range(20))


def squad():
    paragraphs = [
        {"context": f"the cat sat on the mat. {'我爱北京。' * 9}", "qas": [
            {"id": f"{number}-{piece}", "question": f"who {piece}?", "answers": [{"text": "北京", "answer_start": 26}]}
            for piece in "abc"]}
        for number in range(2)]  # fmt: skip
    return json.dumps({"data": [{"paragraphs": paragraphs}]}, ensure_ascii=False)


FILES = {
    "cls": ("训练.tsv", CLS, {}),
    "match": ("x.tsv", MATCH, {}),
    "mlm": ("x.tsv", MLM, {}),
    "seq_label": ("x.conll", CONLL, {"for_cn": True}),
    "mrc": ("x.json", squad(), {"max_query_len": 6, "doc_stride": 4}),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of this test's own that takes small files, tokenised three records at a time."""
    monkeypatch.setenv("PALM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(loading_module, "SMALLEST_FILE", 1)
    monkeypatch.setattr(loading_module, "RECORDS_AT_ONCE", 3)
    loading_module._WARNED_ABOUT.clear()
    return tmp_path / "cache" / "datasets"


def reader_of(name="cls", tokenizer=None, labels=None, **keys):
    kind = READERS[name]
    keys = {"max_seq_len": 16, **keys}
    used = tokenizer or Tokenizer(PIECES, do_lower_case=True, for_cn=bool(keys.get("for_cn")))
    return kind(kind.Config(**keys), used, labels)


def without_cache(load):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PALM_CACHE_LIMIT", "0")
        return load()


def assert_same(found, wanted):
    assert set(found.columns) == set(wanted.columns)
    for name, column in wanted.columns.items():
        pairs = [(found.columns[name], column)]
        if isinstance(column, Ragged):
            pairs = [(found.columns[name].values, column.values), (found.columns[name].offsets, column.offsets)]
        for one, other in pairs:
            assert one.dtype == other.dtype, name
            assert np.array_equal(one, other), name
    assert list(found.records) == list(wanted.records)
    assert (found.file, found.notes) == (wanted.file, wanted.notes)


def forbid_tokenising(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the text was tokenised again")

    for name in ("encode", "encode_ids", "encode_words"):
        monkeypatch.setattr(Tokenizer, name, refuse)


@pytest.mark.parametrize("phase", ["train", "eval"])
@pytest.mark.parametrize("name", sorted(FILES))
def test_every_reader_gives_the_same_data_set_cold_and_warm(write, monkeypatch, name, phase):
    file_name, content, keys = FILES[name]
    file = write(file_name, content)

    def load():
        reader = reader_of(name, **keys)
        if phase == "eval":
            reader.labels = reader.learn_labels(reader.read(file, "train"))
        return load_dataset(reader, file, phase), reader

    wanted, plain = without_cache(load)
    assert wanted.num_examples >= 6
    cold, first = load()
    forbid_tokenising(monkeypatch)
    warm, second = load()
    for found, reader in ((cold, first), (warm, second)):
        assert_same(found, wanted)
        assert reader.labels == plain.labels
        rows, generator = np.array([4, 1, 5]), np.random.default_rng
        batch, other = (
            plain.collate(wanted, rows, generator(1)),
            reader.collate(found, rows, generator(1)),
        )
        assert list(batch) == list(other)
        assert all(batch[key].dtype == other[key].dtype and np.array_equal(batch[key], other[key]) for key in batch)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            ["good\tthe cat\n", "bad\t我爱\n", "ugly\t北京\r\n", "good\t\n", "\n", "bad\tx\ty\n", "bad\t\x7f\n",
             "\tcat\n", "bad\t\xff\n"]
        ),
        max_size=12,
    )
)  # fmt: skip
def test_whatever_is_wrong_is_said_word_for_word_the_same(write, lines):
    labels = LabelMap(("bad", "good"))
    content = b"label\ttext_a\n" + b"".join(line.encode("latin1" if "\xff" in line else "utf-8") for line in lines)
    file = write("x.tsv", content)

    def outcome():
        try:
            return load_dataset(reader_of(labels=labels), file, "eval")
        except DataError as error:
            return str(error)

    wanted, cold, warm = without_cache(outcome), outcome(), outcome()
    if isinstance(wanted, str):
        assert [cold, warm] == [wanted, wanted]
    else:
        assert_same(cold, wanted)
        assert_same(warm, wanted)
        assert wanted.num_examples == sum("\t" in line for line in lines)


def test_many_problems_are_counted_over_the_whole_file(write, cache):
    file = write("x.tsv", "label\ttext_a\n" + "ugly\tcat\n" * 50)
    with pytest.raises(DataError) as error:
        load_dataset(reader_of(labels=LabelMap(("bad", "good"))), file, "eval")
    assert "x.tsv:21: label out of range" in str(error.value)
    assert "and 30 more." in str(error.value)
    assert entries(cache) == []
    assert not list(cache.glob(".*writing*"))


def test_warnings_are_said_by_a_warm_cache_too(write, caplog):
    def load():
        caplog.clear()
        labels = LabelMap(("bad", "good"))
        load_dataset(reader_of(labels=labels, on_unknown_label="count_as_wrong"), write("x.tsv", CLS), "eval")
        return caplog.messages

    wanted = without_cache(load)
    assert "x.tsv: 1 label that is not in the training file counts as wrong (ugly)." in wanted[0]
    assert load() == wanted
    assert load() == wanted


CHANGES = {
    "data": lambda reader: (reader, ".tsv", "train", "1" * 64),
    "suffix": lambda reader: (reader, ".jsonl", "train", "0" * 64),
    "phase": lambda reader: (reader, ".tsv", "eval", "0" * 64),
    "labels": lambda reader: (reader_of(labels=LabelMap(("a", "b"))), ".tsv", "train", "0" * 64),
    "order of labels": lambda reader: (reader_of(labels=LabelMap(("b", "a"))), ".tsv", "train", "0" * 64),
    "reader": lambda reader: (reader_of("match"), ".tsv", "train", "0" * 64),
    "vocabulary": lambda reader: (
        reader_of(tokenizer=Tokenizer([*PIECES, "上"], do_lower_case=True, for_cn=False)), ".tsv", "train", "0" * 64,
    ),
    "order of the vocabulary": lambda reader: (
        reader_of(tokenizer=Tokenizer([*PIECES[:-2], PIECES[-1], PIECES[-2]], do_lower_case=True, for_cn=False)),
        ".tsv", "train", "0" * 64,
    ),
    "lower case": lambda reader: (
        reader_of(tokenizer=Tokenizer(PIECES, do_lower_case=False, for_cn=False)), ".tsv", "train", "0" * 64,
    ),
    **{
        key: lambda reader, key=key, value=value: (reader_of(**{key: value}), ".tsv", "train", "0" * 64)
        for key, value in {
            "max_seq_len": 17, "for_cn": True, "columns": "text_a=text_b", "n_classes": 3, "file_format": "tsv",
            "on_unknown_label": "count_as_wrong",
        }.items()
    },
}  # fmt: skip


def test_whatever_a_data_set_depends_on_changes_its_key():
    keys = {name: cache_key(*change(reader_of())) for name, change in CHANGES.items()}
    keys["nothing"] = cache_key(reader_of(), ".tsv", "train", "0" * 64)
    assert len(set(keys.values())) == len(keys)
    assert cache_key(reader_of(), ".TSV", "train", "0" * 64) == keys["nothing"]


@pytest.mark.parametrize("what", ["tokenizers", "code"])
def test_another_tokenizers_package_or_other_code_changes_the_key(monkeypatch, what):
    before = cache_key(reader_of(), ".tsv", "train", "0" * 64)
    if what == "tokenizers":
        monkeypatch.setattr("tokenizers.__version__", "99.0")
    else:
        monkeypatch.setattr("palm.reader.loading._code", lambda: "other")
    assert cache_key(reader_of(), ".tsv", "train", "0" * 64) != before


def test_the_code_behind_a_data_set_is_found_where_it_lies():
    modules = [sys.modules[name] for name in ("palm.data.tokenizer", type(reader_of()).__module__, "palm.spec")]
    for pattern, module in zip(_SOURCES, modules, strict=True):
        assert Path(module.__file__) in set(_PACKAGE.glob(pattern))


def test_changed_data_are_read_anew(write):
    file = write("x.tsv", CLS)
    assert load_dataset(reader_of(), file, "train").records[0]["text_a"] == "the cat"
    write("x.tsv", CLS.replace("the cat", "the mat"))
    assert load_dataset(reader_of(), file, "train").records[0]["text_a"] == "the mat"


def test_the_same_content_elsewhere_is_found_and_keeps_its_own_name(write, cache, tmp_path, monkeypatch):
    load_dataset(reader_of(), write("x.tsv", CLS), "train")
    (tmp_path / "另").mkdir()
    other = write("另/y.tsv", CLS)
    forbid_tokenising(monkeypatch)
    assert load_dataset(reader_of(), other, "train").file == other
    assert len(entries(cache)) == 1


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
@pytest.mark.parametrize(
    "name", ["token_ids.values.npy", "token_ids.offsets.npy", "records.jsonl", "dataset.json", "manifest.json"]
)
def test_a_damaged_entry_is_made_again(write, cache, caplog, name, damage):
    file = write("x.tsv", CLS)
    wanted = without_cache(lambda: load_dataset(reader_of(), file, "train"))
    load_dataset(reader_of(), file, "train")
    [entry] = entries(cache)
    content = bytearray((entry.folder / name).read_bytes())
    if damage == "remove":
        (entry.folder / name).unlink()
    else:
        content[len(content) // 2] ^= 4
        (entry.folder / name).write_bytes(content if damage == "flip" else content[:-3])
    assert_same(load_dataset(reader_of(), file, "train"), wanted)
    assert "damaged, so it is rebuilt" in caplog.text
    caplog.clear()
    assert_same(load_dataset(reader_of(), file, "train"), wanted)
    assert caplog.text == ""


def load_in_process(file, barrier, results):
    loading_module.SMALLEST_FILE = 1
    barrier.wait()
    dataset = load_dataset(reader_of(), file, "train")
    results.put(dataset.ragged("token_ids").values.tolist())


def test_processes_at_once_get_the_same_and_leave_one_entry(write, cache):
    file = write("x.tsv", CLS + "good\tthe cat sat on the 北京 mat\n" * 3000)
    wanted = without_cache(lambda: load_dataset(reader_of(), file, "train")).ragged("token_ids").values.tolist()
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(3), context.Queue()
    workers = [context.Process(target=load_in_process, args=(file, barrier, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert found == [wanted] * 3
    assert len(entries(cache)) == 1
    assert [path for path in cache.iterdir() if path.is_dir()] == [entries(cache)[0].folder]


def assert_works_without_cache(file, caplog):
    for length in (16, 16, 15):  # the same data set twice, and another
        reader, plain = reader_of(max_seq_len=length), reader_of(max_seq_len=length)
        wanted = without_cache(partial(load_dataset, plain, file, "train"))
        assert_same(load_dataset(reader, file, "train"), wanted)
        assert reader.labels == LabelMap(("bad", "good", "ugly"))
    assert len(caplog.records) == 1
    assert "the cache cannot be used, so text is tokenised in every run" in caplog.text


def test_a_place_that_is_no_folder_means_one_warning(write, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PALM_CACHE", str(tmp_path / "file"))
    assert_works_without_cache(write("x.tsv", CLS), caplog)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_place_means_one_warning(write, cache, caplog):
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    assert_works_without_cache(write("x.tsv", CLS), caplog)


def test_a_full_disk_means_one_warning(write, cache, caplog):
    file = write("x.tsv", CLS + "good\tthe cat sat on the 北京 mat\n" * 3000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        assert_works_without_cache(file, caplog)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_a_read_only_cache_that_holds_the_entry_serves(write, cache, monkeypatch, caplog):
    file = write("x.tsv", CLS)
    load_dataset(reader_of(), file, "train")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.utime", refuse)
    monkeypatch.setattr("palm.data.cache.remove_folder", refuse)
    monkeypatch.setenv("PALM_CACHE_LIMIT", "1")
    forbid_tokenising(monkeypatch)
    load_dataset(reader_of(), file, "train")
    assert caplog.text == ""


def test_the_limit_drops_the_oldest_used(write, cache, monkeypatch):
    load_dataset(reader_of(), write("x.tsv", CLS), "train")
    [first] = entries(cache)
    os.utime(first.folder, (100, 100))
    monkeypatch.setenv("PALM_CACHE_LIMIT", str(int(first.size * 1.5)))
    load_dataset(reader_of(max_seq_len=15), write("x.tsv", CLS), "train")
    [second] = entries(cache)
    assert second.folder != first.folder


def test_an_entry_beyond_the_limit_is_used_once_and_told(write, cache, monkeypatch, caplog):
    file = write("x.tsv", CLS)
    wanted = without_cache(lambda: load_dataset(reader_of(), file, "train"))
    monkeypatch.setenv("PALM_CACHE_LIMIT", "100")
    assert_same(load_dataset(reader_of(), file, "train"), wanted)
    assert "take more than 100 bytes, so it is not cached. Raise PALM_CACHE_LIMIT." in caplog.text
    assert entries(cache) == []


def test_a_file_that_changes_while_it_is_read_is_not_kept(write, cache, monkeypatch, caplog):
    file = write("x.tsv", CLS)
    parse = ClassificationReader.parse

    def changing(self, *arguments):
        yield from parse(self, *arguments)
        write("x.tsv", CLS + "good\tmat\n")

    monkeypatch.setattr(ClassificationReader, "parse", changing)
    found = load_dataset(reader_of(), file, "train")
    monkeypatch.undo()
    assert "x.tsv: it was modified while it was read" in caplog.text
    assert found.num_examples == 8
    assert entries(cache) == []


def test_small_files_files_to_predict_and_unversioned_readers_are_not_cached(write, cache, monkeypatch):
    file = write("x.tsv", CLS)
    load_dataset(reader_of(labels=LabelMap(("bad", "good"))), file, "predict")
    with monkeypatch.context() as patch:
        patch.setattr(ClassificationReader, "cache_version", None)
        load_dataset(reader_of(), file, "train")
    monkeypatch.setattr(loading_module, "SMALLEST_FILE", len(CLS.encode()) + 1)
    load_dataset(reader_of(), file, "train")
    assert not cache.exists()


def test_learnt_labels_do_not_stay_where_loading_failed(write):
    reader = reader_of()
    with pytest.raises(DataError):
        load_dataset(reader, write("x.tsv", CLS + "bad\t\x7f\n"), "train")
    assert reader.labels is None
