"""The committed sample data: written by data/generate.py, consistent, and as hard as its README says."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from palm.data.spans import spans_of

LANGUAGES = ("en", "zh")
SPLITS = ("train", "dev", "test")


def table(file: Path) -> list[list[str]]:
    """Rows of a tsv without its header."""
    return [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()[1:]]


def questions(file: Path) -> list[tuple[str, dict]]:
    """Every question of a SQuAD file with its context."""
    paragraphs = [
        part for article in json.loads(file.read_text(encoding="utf-8"))["data"] for part in article["paragraphs"]
    ]
    return [(paragraph["context"], qa) for paragraph in paragraphs for qa in paragraph["qas"]]


def test_generator_writes_the_committed_files(repository: Path, tmp_path: Path) -> None:
    script = repository / "data" / "generate.py"
    subprocess.run([sys.executable, "-S", str(script), "--out", str(tmp_path)], check=True, cwd=tmp_path)
    written = sorted(file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file())
    committed = sorted(
        file.relative_to(repository / "data")
        for folder in ("travel", "vocab")
        for file in (repository / "data" / folder).rglob("*")
        if file.is_file()
    )
    assert written == committed
    assert [
        name for name in written if (tmp_path / name).read_bytes() != (repository / "data" / name).read_bytes()
    ] == []


def test_the_data_of_the_demo_are_those_that_its_generator_writes(repository: Path, tmp_path: Path) -> None:
    script = repository / "data" / "generate_demo.py"
    subprocess.run([sys.executable, "-S", str(script), "--out", str(tmp_path)], check=True, cwd=tmp_path)
    committed = repository / "palm" / "cli" / "demo_files"
    written = [file.relative_to(tmp_path) for file in sorted(tmp_path.rglob("*")) if file.is_file()]
    assert written == [file.relative_to(committed) for file in sorted(committed.rglob("demo_data/**/*.*"))]
    assert [name for name in written if (tmp_path / name).read_bytes() != (committed / name).read_bytes()] == []
    assert sum((committed / name).stat().st_size for name in written) < 1_600_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_row_that_the_demo_predicts_is_trained_on(repository: Path, language: str) -> None:
    data = repository / "palm" / "cli" / "demo_files" / language / "demo_data"
    for name in ("intent", "slots"):
        trained = {row[name == "intent"] for row in table(data / name / "train.tsv")}
        assert not trained & {row[name == "intent"] for row in table(data / name / "test.tsv")}
    trained = {context for context, _ in questions(data / "mrc" / "train.json")}
    assert not trained & {context for context, _ in questions(data / "mrc" / "test.json")}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_held_out_value_is_in_the_training_files_of_the_demo(repository: Path, language: str) -> None:
    data = repository / "palm" / "cli" / "demo_files" / language / "demo_data"
    trained = spans(data / "slots" / "train.tsv", {"city", "company", "hotel", "from_city", "to_city"})
    assert len(trained) > 100
    assert not trained & spans(data / "slots" / "test.tsv", {"city", "company", "hotel", "from_city", "to_city"})


def spans(file: Path, types: set[str]) -> set[str]:
    """The texts of the spans of `types` in a file of slots."""
    rows = [(words.split(), spans_of(tags.split())) for words, tags in table(file)]
    return {" ".join(words[one.start : one.end]) for words, found in rows for one in found if one.type in types}


def test_the_data_stay_small(repository: Path) -> None:
    files = [
        file for folder in ("travel", "vocab") for file in (repository / "data" / folder).rglob("*") if file.is_file()
    ]
    assert 0 < sum(file.stat().st_size for file in files) < 2_000_000


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["intent", "slots", "question_match", "answer_match", "answer_kind"])
def test_no_row_stands_in_two_splits(repository: Path, language: str, name: str) -> None:
    folder = repository / "data" / "travel" / language / name
    rows = [tuple(row) for split in SPLITS for row in table(folder / f"{split}.tsv")]
    assert len(rows) >= 400
    assert [row for row, count in Counter(rows).items() if count > 1] == []


def test_translations_are_of_held_out_templates(repository: Path) -> None:
    """No template is in two splits, and every frame and every object of dev and test is trained on."""
    script = "import json; from grammar.translation import *; "
    script += (
        "print(json.dumps({one: [sorted({each.template for each in draw_translations(one, 120, random.Random(one))}), "
    )
    script += "templates_of(one)] for one in ('train', 'dev', 'test')}))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], check=True, cwd=repository / "data", capture_output=True, text=True
    )
    found = json.loads(done.stdout)
    assert all(set(map(tuple, drawn)) <= set(map(tuple, known)) for drawn, known in found.values())
    templates = {split: set(map(tuple, known)) for split, (_, known) in found.items()}
    assert len(set.union(*templates.values())) == sum(map(len, templates.values())) == 54
    assert min(map(len, templates.values())) == 4
    for place in (0, 1):
        trained = {template[place] for template in templates["train"]}
        assert {template[place] for split in SPLITS for template in templates[split]} == trained


def test_translations(repository: Path) -> None:
    from palm.data.target_text import target_form
    from palm.data.tokenizer import Tokenizer

    folder = repository / "data" / "travel" / "en_zh" / "translation"
    rows = {split: [tuple(row) for row in table(folder / f"{split}.tsv")] for split in SPLITS}
    assert {split: len(set(found)) for split, found in rows.items()} == {"train": 2400, "dev": 120, "test": 120}
    every = [row for found in rows.values() for row in found]
    assert len({english for english, _ in every}) == len(every)
    tokenizer = Tokenizer.from_file(repository / "data" / "vocab" / "vocab_en_zh.txt", do_lower_case=True)
    form = target_form(tokenizer)
    for texts in zip(*every, strict=True):
        assert not any(tokenizer.unk_id in ids for ids in tokenizer.encode_ids(texts))
    chinese = [text for _, text in every]
    assert [form.text_of(ids) for ids in tokenizer.encode_ids(chinese)] == chinese


def test_reviews(repository: Path) -> None:
    """No text is in two splits, spans are what they say, and the vocabulary of both languages has every word."""
    from palm.data.tokenizer import Tokenizer

    folder = repository / "data" / "travel" / "en_reviews"
    texts = [text for split in SPLITS for _, _, text in table(folder / "stars" / f"{split}.tsv")]
    blocks = [(folder / "trees" / f"{split}.conllu").read_text(encoding="utf-8").strip() for split in SPLITS]
    sentences = [
        "\n".join(line.split("\t")[1] for line in one.split("\n")) for one in "\n\n".join(blocks).split("\n\n")
    ]
    files = [(folder / "spans" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines() for split in SPLITS]
    rows = [json.loads(line) for lines in files for line in lines]
    for found, count in ((texts, 195), (sentences, 48), ([row["text"] for row in rows], 60)):
        assert len(found) == len(set(found)) == count
    for row in rows:
        named = {name: row["text"][start:end] for start, end, name in row["label"]}
        assert f"{named['topic']} at {named['hotel']} was {named['opinion']}" in row["text"]
        assert named["hotel"].endswith(f" in {named['city']}")
    tokenizer = Tokenizer.from_file(repository / "data" / "vocab" / "vocab_en_zh.txt", do_lower_case=True)
    words = sorted({word for text in [*texts, *(row["text"] for row in rows)] for word in text.split()})
    assert [word for word, ids in zip(words, tokenizer.encode_ids(words), strict=True) if len(ids) != 1] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["mrc", "mrc_unanswerable"])
def test_answers_stand_where_the_file_says(repository: Path, language: str, name: str) -> None:
    folder = repository / "data" / "travel" / language / name
    found = [one for split in SPLITS for one in questions(folder / f"{split}.json")]
    for context, qa in found:
        for answer in qa["answers"]:
            start = answer["answer_start"]
            assert context[start : start + len(answer["text"])] == answer["text"]
    assert len({qa["id"] for _, qa in found}) == len(found) == 540
    contexts = [{context for context, _ in questions(folder / f"{split}.json")} for split in SPLITS]
    assert sum(map(len, contexts)) == len(set.union(*contexts)) == 180


@pytest.mark.parametrize("language", LANGUAGES)
def test_unanswerable_questions_are_marked(repository: Path, language: str) -> None:
    folder = repository / "data" / "travel" / language
    for split in SPLITS:
        asked = [qa for _, qa in questions(folder / "mrc_unanswerable" / f"{split}.json")]
        assert all(qa["is_impossible"] == (qa["answers"] == []) for qa in asked)
        assert sum(qa["is_impossible"] for qa in asked) * 3 == len(asked)
        assert all(qa["answers"] for _, qa in questions(folder / "mrc" / f"{split}.json"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_slots_and_intents_describe_the_same_requests(repository: Path, language: str) -> None:
    folder = repository / "data" / "travel" / language
    for split in SPLITS:
        texts = ["".join(text.split()) for _, text in table(folder / "intent" / f"{split}.tsv")]
        words = ["".join(sentence.split()) for sentence, _ in table(folder / "slots" / f"{split}.tsv")]
        assert texts == words


@pytest.mark.parametrize("language", LANGUAGES)
def test_tags_are_valid_bio_and_both_files_agree(repository: Path, language: str) -> None:
    folder = repository / "data" / "travel" / language / "slots"
    for split in SPLITS:
        sentences = [(words.split(), tags.split()) for words, tags in table(folder / f"{split}.tsv")]
        for words, tags in sentences:
            assert len(words) == len(tags)
            for before, tag in zip(["O", *tags], tags, strict=False):
                assert not tag.startswith("I-") or before in (f"B-{tag[2:]}", tag)
        blocks = (folder / f"{split}.conll").read_text(encoding="utf-8").strip().split("\n\n")
        pairs = [[tuple(line.split("\t")) for line in block.split("\n")] for block in blocks]
        assert pairs == [list(zip(*sentence, strict=True)) for sentence in sentences]


@pytest.mark.parametrize("language", LANGUAGES)
def test_open_values_of_dev_and_test_are_not_in_train(repository: Path, language: str) -> None:
    folder = repository / "data" / "travel" / language / "slots"
    found = {
        split: values_of(folder / f"{split}.tsv", {"city", "from_city", "to_city", "company", "hotel"})
        for split in SPLITS
    }
    assert all(len(values) > 10 for values in found.values())
    assert found["train"] & (found["dev"] | found["test"]) == set()


def values_of(file: Path, types: set[str]) -> set[str]:
    """What is tagged with one of `types`."""
    values: set[str] = set()
    for words, tags in table(file):
        span: list[str] = []
        for word, tag in [*zip(words.split(), tags.split(), strict=True), ("", "O")]:
            if not tag.startswith("I-") and span:
                values.add(" ".join(span))
                span = []
            if tag[2:] in types:
                span.append(word)
    return values


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_single_word_gives_an_intent_away(repository: Path, language: str) -> None:
    """The best guess from one word (in Chinese a character) is right for fewer than half of the rows."""
    rows = table(repository / "data" / "travel" / language / "intent" / "train.tsv")
    texts = [(label, set(text.split() if language == "en" else text)) for label, text in rows]
    for word in set.union(*(words for _, words in texts)):
        inside = Counter(label for label, words in texts if word in words)
        outside = Counter(label for label, words in texts if word not in words)
        right = max(inside.values()) + max(outside.values(), default=0)
        assert right / len(texts) < 0.5, word


@pytest.mark.parametrize(("name", "lower"), [("en", True), ("zh", False)])
def test_vocabularies_leave_nothing_unknown(repository: Path, name: str, lower: bool) -> None:
    from palm.data.tokenizer import Tokenizer

    file = repository / "data" / "vocab" / f"vocab_{name}.txt"
    tokenizer = Tokenizer.from_file(file, do_lower_case=lower, for_cn=not lower)
    texts = [
        text for tsv in (repository / "data" / "travel" / name).rglob("*.tsv") for row in table(tsv) for text in row
    ]
    texts += ["Zyzzyva 2049-quux@example.org", "3.14159 USD"]
    assert len(texts) > 1000
    assert [
        text for text, pieces in zip(texts, tokenizer.encode_ids(texts), strict=True) if tokenizer.unk_id in pieces
    ] == []
