"""A report for a Chinese reader leaves no heading, head of a column, axis or sentence in English."""

import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("altair")
pytest.importorskip("jinja2")
pytest.importorskip("sklearn.metrics")

from palm.locale.current import in_language
from palm.report import page as module
from palm.report import prediction_sections
from palm.report.page import all_sections, render_page
from palm.report.search_sections import ReadSearch, search_sections
from palm.report.section import Chart, Paragraph, Table
from palm.report.words import translated_sections
from palm.schema.search_results import SearchResults
from tests.unit.report.analysed import an_analysis, every_kind
from tests.unit.report.reported import a_run, data, description, dev, step
from tests.unit.report.searched import SEARCH, a_search

CHINESE = re.compile("[\u4e00-\u9fff]")
# Names of the runs and their tasks, of metrics and of measures, which have no other in Chinese.
NAMES = {"run", "甲", "意图", "F1", "ECE", "NLL", "R²", "PALM", "accuracy", "span_f1", "f1", "loss"}
NAMES |= {"classes", "sets", "spans", "relations", "answers", "numbers", "ranks", "aux"}
ENGLISH = re.compile(r"(?<![\w./=`-])[a-z]{2,} [a-z]{2,}(?![\w./=`-])")
LOG = [
    "Resumed from x/ckpt/step_4 at global step 4.",
    "global step 5, task 意图, step 3/30 (epoch 0), train.tsv lines 2, 9: the loss and all gradients are finite "
    "numbers. Found: the loss is nan. The batch was skipped.",
    "Restored the weights of out/ckpt/step_5; training continues with the next batch.",
    "意图: stops early after global step 7; its best accuracy 0.6000 was at global step 6",
    "Training waited for data 7.3 % of the time.",
    "Changed since the run was started: learning_rate 1 → 2. Its result will differ.",
    "Stopped by SIGTERM after global step 8. `palm train … --resume` continues from its checkpoint.",
    "checkpoint saved at ckpt/step_5",
]


@pytest.fixture
def runs(monkeypatch):
    """Two runs in which every section has something to show."""
    every = every_kind()
    analyses = {name: an_analysis(name, **parts) for name, parts in every.items()}
    monkeypatch.setattr(prediction_sections, "read_analyses", lambda *_: analyses)
    records = [
        *(step(number, task, loss_factor=1.0 + number) for number in range(1, 9) for task in ("意图", *every)[:2]),
        *(dev(number, "意图", accuracy=number / 10, loss=1.0) for number in (3, 6)),
        *(dev(number, name, span_f1=0.5) for number, name in enumerate(every, 9)),
        {"split": "export", "global_step": 16, "task": "意图", "of_step": 6, "task_steps": 8, "train_seconds": 75.0},
    ]
    described = description(意图=data(counted=50), aux=data(labels={str(number): 2 for number in range(30)}))
    values = {
        "learning_rate": ("1e-4", "config.yaml:3", "`1` (x.yaml:1)"),
        "seed": ("1", "default"),
        "leave_mix_when_finished": ("true", "default"),
    }
    one = a_run(
        "run", records, values=values, described=described, log=LOG, checkpoints=(4, 8), earlier_runs=1,
        rank_logs=("rank_1.log",), notes=("metrics.jsonl: 2 damaged lines were left out.",),
    )  # fmt: skip
    return one, a_run("甲", records, values={"learning_rate": ("2e-4", "default")})


@pytest.fixture(params=["one", "both"])
def sections(request, runs):
    with in_language("zh"):
        return list(all_sections(runs[:1] if request.param == "one" else runs))


@pytest.fixture
def search_sections_in_chinese():
    """The section of a search with every state."""
    with in_language("zh"):
        return list(translated_sections(search_sections([ReadSearch("甲", SearchResults.model_validate(a_search()))])))


def titles_in(spec):
    """Titles of axes, legends and tooltips of a chart."""
    if isinstance(spec, dict):
        own = [spec["title"]] if isinstance(spec.get("title"), str) else []
        return own + [title for key, part in spec.items() if key != "datasets" for title in titles_in(part)]
    return [title for part in spec for title in titles_in(part)] if isinstance(spec, list) else []


def left_in_english(texts):
    own = (text for text in texts if not set(re.split(": | · ", text)) <= NAMES)
    return [text for text in own if text and not CHINESE.search(text)]


def test_headings_heads_and_titles(sections):
    assert len(sections) >= 12
    blocks = [block for section in sections for block in section.blocks]
    texts = [section.title for section in sections]
    texts += [block.title for block in blocks if isinstance(block, Table | Chart)]
    texts += [name for block in blocks if isinstance(block, Table) for name in block.header]
    texts += [title for block in blocks if isinstance(block, Chart) for title in titles_in(block.spec)]
    texts += [block.description for block in blocks if isinstance(block, Chart)]
    texts += [block.text for block in blocks if isinstance(block, Paragraph)]
    assert len(texts) > 150
    assert left_in_english(texts) == []
    assert [text for text in texts if ENGLISH.search(text)] == []


def test_the_section_of_a_search(search_sections_in_chinese):
    (section,) = search_sections_in_chinese
    keys = {*SEARCH, "key", "learning_rate"}
    texts = [section.title, *(getattr(block, "title", "") or block.text for block in section.blocks)]
    texts += [name for block in section.blocks if isinstance(block, Table) for name in block.header]
    texts += [title for block in section.blocks if isinstance(block, Chart) for title in titles_in(block.spec)]
    assert [text for text in left_in_english(texts) if text not in keys] == []
    states = {row[1] for row in section.blocks[-2].rows}
    assert states == {"完成", "剪枝", "失败"}


def test_cells_and_legends(sections):
    blocks = [block for section in sections for block in section.blocks]
    cells = [str(cell) for block in blocks if isinstance(block, Table) for row in block.rows for cell in row]
    charts = [block.spec for block in blocks if isinstance(block, Chart)]
    rows = [row for spec in charts for rows in spec.get("datasets", {}).values() for row in rows]
    cells += [str(value) for row in rows for value in row.values() if isinstance(value, str)]
    words = {word for cell in cells for word in re.findall(r"[a-z]{4,}", re.sub(r"`[^`]*`|\S*[._/:]\S*", "", cell))}
    assert words <= {"accuracy", "loss", "true", "seed", *NAMES}


class Visible(HTMLParser):
    """Texts of a page, and those of its attributes that are read out."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.language, self._inside = [], None, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._inside = tag
        self.language = self.language or dict(attrs).get("lang")
        self.texts += [value for name, value in attrs if name in ("aria-label", "title", "alt")]

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.texts.append(data.strip())


def test_the_page_around_the_sections(monkeypatch, runs):
    monkeypatch.setattr(module, "library", lambda: "")
    with in_language("zh"):
        page = Visible(render_page(runs, [], made="由 palm report 生成"))
    assert page.language == "zh-CN"
    texts = [text for text in page.texts if re.search("[A-Za-z]{2}", text)]
    kept = re.compile(r"PALM|run|bert|UTC|\d+ M|float32|cpu|palm report|JavaScript")
    assert [text for text in texts if re.search("[A-Za-z]{2}", kept.sub("", text))] == []
    with in_language("en"):
        assert Visible(render_page(runs, [], made="")).language == "en"
