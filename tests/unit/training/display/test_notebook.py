import re

import pytest

from tests.live_runs import CHINESE, ENGLISH, step_result, trained_run

pytest.importorskip("IPython", reason='needs the extra notebook: pip install "paddle-palm[notebook]"')

from palm.training.display.notebook import NotebookDisplay, final_html, live_html


def cells(html: str) -> list[list[str]]:
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)]


def test_the_table_of_a_notebook_has_a_row_for_each_task():
    html = live_html(trained_run(CHINESE))
    rows = cells(html)
    assert rows[0] == ["task", "steps", "loss", "", "dev metric", "last", "best", "at step"]
    assert [row[0] for row in rows[1:]] == list(CHINESE)
    assert '<progress value="400" max="900"' in html


def test_names_are_escaped():
    assert "<b>x</b>" not in live_html(trained_run(["<b>x</b>"])).replace("<b>PALM", "")


def test_the_end_names_models_and_commands():
    run = trained_run(ENGLISH)
    run.note_record({"split": "export", "global_step": 400, "task": "intent", "task_steps": 75, "of_step": 300})
    run.next_commands = ["palm pred output_model/intent '<一句话>'"]
    html = final_html(run)
    assert ["intent", "accuracy", "0.8000", "300", "output_model/intent/infer_model"] in cells(html)
    assert "palm pred output_model/intent &#x27;&lt;一句话&gt;&#x27;" in html


def test_the_output_of_a_cell_is_replaced_without_a_warning(monkeypatch, capsys):
    display = pytest.importorskip("IPython.display")
    updates = []

    class Handle:
        def update(self, html):
            updates.append(html.data)

    monkeypatch.setattr("palm.training.display.notebook.display.display", lambda html, display_id: Handle())
    run = trained_run(ENGLISH)
    shown = NotebookDisplay(run)
    shown.open()
    run.note_step(step_result(401, "intent", 0.5))
    shown.refresh()
    assert len(updates) == 1, "once a second"
    shown._shown_at = 0.0
    shown.refresh()
    shown.say("注意")
    shown.close(finished=True)
    assert "401/900" in updates[1]
    assert "401 steps in" in updates[2]
    assert capsys.readouterr() == ("注意\n", "")
    assert display.HTML
