"""What is remarkable about a file is collected where a caller collects it, and logged elsewhere."""

from pathlib import Path

from palm.reader.formats.notes import LineCounts, add_note, collected_notes


def test_notes_are_collected_once_each(caplog):
    with collected_notes() as outer:
        add_note(Path("x"), "一。")
        with collected_notes() as inner:
            add_note(Path("y"), "two.")
        add_note(Path("x"), "一。")
    assert (outer, inner, caplog.messages) == (["一。"], ["two."], [])


def test_notes_are_logged_where_no_caller_collects_them(caplog):
    add_note(Path("x.conll"), "three.")
    assert caplog.messages == ["x.conll: three."]


def test_lines_are_counted_by_kind():
    counts = LineCounts()
    cats, love = ("cat sat", "cats sat"), ("我 爱", "我们 爱")
    for kind, line in ((cats, 3), (love, 4), (cats, 7)):
        counts.add(kind, line)
    with collected_notes() as notes:
        counts.note("rows")
    assert notes == ["2 cats sat, such as line 3.", "1 我 爱, such as line 4."]
