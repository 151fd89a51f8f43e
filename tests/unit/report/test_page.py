import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("altair")
pytest.importorskip("jinja2")
pytest.importorskip("vl_convert")

from palm.report import page as module
from palm.report.page import all_sections, policy, render_page
from palm.report.section import Chart, Paragraph, Section, Table
from tests.unit.report.reported import a_run, data, description, dev, step

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\"'"


@pytest.fixture(autouse=True)
def small_library(monkeypatch):
    monkeypatch.setattr(module, "library", lambda: "window.vegaEmbed = async () => ({finalize() {}});")


class Parsed(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data.strip())


def sections():
    table = Table(
        "t " + EVIL, ("a", EVIL), [(EVIL, 0.25), ("נכון 中文", 1234567)], frozenset({(0, 1)}), texts=frozenset({0})
    )
    chart = Chart(EVIL, {"datasets": {"x": [{"n": EVIL + "\u2028"}]}}, EVIL)
    return [Section("one", "One " + EVIL, [Paragraph(EVIL), table, chart, chart])]


def rendered(*runs):
    return render_page(runs, sections(), made="made " + EVIL)


def test_foreign_text_is_text():
    run = a_run(EVIL, [step(1, EVIL), dev(1, EVIL, accuracy=0.5)], described=description(**{EVIL: data()}))
    text = rendered(run)
    parsed = Parsed(text)
    assert [tag for tag, attrs in parsed.tags if tag == "img"] == ["img"]  # the logo
    assert len([tag for tag, _ in parsed.tags if tag == "script"]) == 4
    assert not [attrs for _, attrs in parsed.tags for name in attrs if name.startswith("on")]
    assert EVIL in parsed.texts
    assert "alert(1)</script>" not in text


def test_the_page_asks_for_nothing_else():
    tags = Parsed(rendered(a_run())).tags
    assert [attrs["href"][:5] for tag, attrs in tags if tag == "link"] == ["data:"]
    assert not [attrs for tag, attrs in tags if tag == "script" and "src" in attrs]
    (allowed,) = (attrs["content"] for _, attrs in tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert allowed.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in allowed


def test_a_policy_allows_what_it_is_of():
    # printf 'a' | openssl dgst -sha256 -binary | base64
    assert policy(["a"], "a").count("'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='") == 2


def test_the_state_of_a_run_is_shown():
    for state, shown in (("training", "still training"), ("stopped", "stopped before its end"), ("ended", "ended")):
        assert shown in Parsed(rendered(a_run(state=state))).texts


def test_several_runs_have_their_colours_and_a_common_title():
    text = rendered(a_run("one"), a_run("two"))
    assert re.findall(r'swatch" data-colour="(\d)"', text) == ["0", "1"]
    assert "<title>one · two – PALM report</title>" in text


def test_a_script_cannot_end_its_element():
    assert module.safe_in_script("a('</script>') // <!-- x") == "a('<\\/script>') // <\\!-- x"


COSINE = {"split": "cosine", "global_step": 2, "task": None, "cosines": {"a~b": 0.5}}
RECORDS = [step(1, "a"), step(2, "b"), COSINE, dev(2, "a", accuracy=0.5)]


def test_the_order_of_the_page():
    run = a_run(records=RECORDS, described=description(a=data(), b=data()), values={"x": ("1", "default")})
    keys = [section.key for section in all_sections([run])]
    assert keys == ["results", "curves", "speed", "mix", "cosines", "data", "configuration", "events"]


def test_sections_without_content_are_left_out():
    assert [section.key for section in all_sections([a_run()])] == ["events"]
