"""`palm report` on real runs, its page in a real browser."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import palm
from palm.cli.main import main
from palm.report.run_folder import read_run
from palm.storage.run_lock import exclusive_run_lock
from tests.browser import launched, visit
from tests.integration import tiny

for _name in ("altair", "jinja2", "vl_convert"):
    pytest.importorskip(_name, reason="needs the extra `report`")

EVIL = "</script><b>איך</b> & 'a.b[0]'"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# A browser that draws no frame, as on a busy machine, is not waited for.
SHOW_ALL = """async () => {
  for (const plot of document.querySelectorAll(".plot")) {
    plot.scrollIntoView();
    await new Promise((done) => { requestAnimationFrame(done); setTimeout(done, 500); });
  }
}"""


def train(folder, **keys):
    tasks = {"水": tiny.classification_task(folder, "a", chinese=True), "tags": tiny.slot_task(folder, "tags")}
    tasks["words"] = {**tiny.mlm_task(folder, "words"), "target": False}
    every = {
        "eval_every_n_steps": 4,
        "log_gradient_cosines_every_n_steps": 4,
        "save_every_n_steps": 5,
        "mix_ratio": "1, 0.5, 0.5",
    }
    palm.Controller(tiny.config(folder, tasks, **every, **keys), overrides=[]).train()
    return folder / "out"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run that was resumed, and one with another learning rate."""
    folder = tmp_path_factory.mktemp("报告")
    train(folder, max_steps=10)
    run = train(folder, max_steps=16, resume="auto")
    other = folder / "other"
    other.mkdir()
    return run, train(other, max_steps=8, learning_rate=1e-3)


@pytest.fixture(scope="module")
def page_of_one(runs):
    return report(runs[0])


@pytest.fixture(scope="module")
def page_of_both(runs, tmp_path_factory):
    return report(*runs, output=tmp_path_factory.mktemp("both") / "both.html")


@pytest.fixture(scope="module")
def browser():
    with launched() as found:
        yield found


def report(*runs, output=None, options=()):
    words = [str(run) for run in runs] + ([] if output is None else ["--output", str(output)])
    words += options
    assert main(["report", *words]) == 0
    return Path(output or runs[0] / "report.html")


def opened(browser, file, **settings):
    return visit(browser, file.resolve().as_uri(), ready="main .run", **settings)


def test_a_run_that_was_resumed_is_read(runs):
    run = read_run(runs[0])
    assert (run.state, run.curves.last_step, run.total_steps) == ("ended", 16, 16)
    assert [event.kind for event in run.log.of("resumed", "changed")] == ["changed", "resumed"]
    assert run.curves.learning_rate.steps.tolist() == list(range(1, 17))
    steps = {name: mix.steps for name, mix in run.mix().items()}
    assert sum(steps.values()) == 16
    progress = json.loads((runs[0] / "ckpt/step_16/progress.json").read_text(encoding="utf-8"))
    assert steps == progress["task_steps"]
    assert [each.task for each in run.curves.exports.values()] == ["水", "tags", None]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_run(browser, page_of_one, scheme, width):
    assert page_of_one.stat().st_size < 1_500_000
    with opened(browser, page_of_one, color_scheme=scheme, viewport={"width": width, "height": 900}) as found:
        page = found.page
        page.evaluate(SHOW_ALL)
        page.wait_for_function("[...document.querySelectorAll('.plot')].every((plot) => plot.dataset.shown)")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator(".part > h2").all_text_contents() == [
            "Results", "Curves", "Learning rate and throughput", "Mix of the tasks", "Gradient cosines",
            "Predictions of 水", "Predictions of tags", "Predictions of other tasks", "Data",
            "Configuration", "Events",
        ]  # fmt: skip
        dark = scheme == "dark"
        assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 18)") is dark
        assert page.locator("svg").count() == page.locator(".plot").count() >= 10
        texts = page.locator(".plot svg text").all_text_contents()
        assert any(re.fullmatch(r"[01]\.\d{4}", text) for text in texts)  # the label of a best evaluation


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_chinese(browser, runs, tmp_path, scheme):
    file = report(*runs, output=tmp_path / "zh.html", options=("--lang", "zh"))
    with opened(browser, file, color_scheme=scheme, locale="en-GB") as found:
        page = found.page
        page.evaluate(SHOW_ALL)
        page.wait_for_function("[...document.querySelectorAll('.plot')].every((plot) => plot.dataset.shown)")
        assert page.locator("html").get_attribute("lang") == "zh-CN"
        headings = page.locator(".part > h2").all_text_contents()
        assert headings[:5] == ["结果", "曲线", "学习率与吞吐量", "任务比例", "梯度余弦"]
        assert page.locator(".plot svg text", has_text="全局步").count() > 3
        page.locator(".numbers summary").first.click()
        assert page.locator(".numbers th").all_text_contents()[:3] == ["名称", "全局步", "值"]
        page.get_by_role("button", name="主题").click()
        assert page.locator("#theme-name").text_content() == "浅色"
        texts = page.evaluate(
            "[...document.querySelectorAll('.plot svg text, th, summary, .remark, .note')].map((e) => e.textContent)"
        )
        assert [text for text in texts if re.search(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}", text)] == []


def test_the_theme_changes_by_the_button_and_stays(browser, page_of_one):
    with opened(browser, page_of_one, color_scheme="light") as found:
        page = found.page
        ink = "getComputedStyle(document.querySelector('.plot svg text')).fill"
        before = page.evaluate(ink)
        button = page.get_by_role("button", name="Theme")
        button.click()
        button.click()
        assert page.locator("#theme-name").text_content() == "dark"
        page.wait_for_function(f"{ink} !== {json.dumps(before)}")
        page.reload()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 20, 18)"


def test_a_curve_is_magnified_and_shows_values_under_the_pointer(browser, page_of_one):
    with opened(browser, page_of_one) as found:
        page = found.page
        plot = page.locator(".plot").first
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_selector("#vg-tooltip-element.visible")
        assert "global step" in page.locator("#vg-tooltip-element").text_content()
        labels = "[...document.querySelectorAll('.plot')][0].querySelector('svg').textContent"
        before = page.evaluate(labels)
        page.keyboard.down("Shift")
        page.mouse.wheel(0, -400)
        page.keyboard.up("Shift")
        page.wait_for_function(f"{labels} !== {json.dumps(before)}")


def test_the_numbers_of_a_chart_are_a_table(browser, page_of_one):
    with opened(browser, page_of_one) as found:
        details = found.page.locator(".numbers").first
        details.locator("summary").click()
        header = details.locator("th").all_text_contents()
        assert header[:3] == ["name", "global step", "value"]
        assert details.locator("tbody tr").count() > 10


def test_runs_side_by_side(browser, runs, page_of_both):
    with opened(browser, page_of_both) as found:
        page = found.page
        assert page.locator(".run h2").all_text_contents() == [f"{runs[0].parent.name}/out", "other/out"]
        differing = page.locator("table", has_text="learning_rate").first.inner_text()
        assert re.search(r"learning_rate\s+0\.005\s+0\.001", differing)
        assert page.locator("td.best").count() >= 4


def test_a_run_of_a_trainer_with_names_of_any_kind_that_is_still_training(browser, tmp_path):
    steps = [
        {"split": "train", "global_step": number, "task": EVIL, "step": number, "epoch": 0, "loss": 1 / number}
        for number in range(1, 50)
    ]
    dev = {"split": "dev", "global_step": 9, "task": EVIL, "accuracy": 0.5}
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in [*steps, dev])
    (tmp_path / "metrics.jsonl").write_text(lines + '{"split": "tra', encoding="utf-8")
    (tmp_path / "log.txt").write_text(f"Warning: {EVIL}\n", encoding="utf-8")
    with exclusive_run_lock(tmp_path), opened(browser, report(tmp_path)) as found:
        page = found.page
        assert page.locator(".state").text_content() == "still training"
        assert page.locator(".card-name").text_content() == EVIL
        assert page.get_by_text("the last line is incomplete and was left out").count() == 1
        assert page.locator("figcaption").first.text_content() == f"{EVIL}: loss"
        assert page.locator("td.text").text_content() == f"Warning: {EVIL}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_rule_of_accessibility_is_violated(browser, page_of_both, scheme, width):
    if not os.environ.get("PALM_AXE"):
        pytest.skip("needs axe-core: PALM_AXE is the path of its axe.min.js")
    axe = Path(os.environ["PALM_AXE"]).read_text(encoding="utf-8")
    with opened(browser, page_of_both, color_scheme=scheme, viewport={"width": width, "height": 900}) as found:
        page = found.page
        page.evaluate(SHOW_ALL)
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        page.wait_for_function(
            "[...document.querySelectorAll('.numbers')].every((each) => each.querySelector('table'))"
        )
        page.evaluate(axe)
        violated = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
        assert len(violated["passes"]) > 20
        assert [
            (one["id"], node["html"][:150], node["failureSummary"])
            for one in violated["violations"]
            for node in one["nodes"]
        ] == []


def test_a_page_is_made_without_paddle(runs, tmp_path):
    code = """
import sys
from palm.cli.main import main
status = main(sys.argv[1:])
assert "paddle" not in sys.modules
sys.exit(status)
"""
    words = ["report", str(runs[1]), "--no-predict", "--output", str(tmp_path / "page.html")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"1 run: \S+/page\.html \(\d\.\d MB\)\n", done.stdout)
