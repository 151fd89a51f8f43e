import json

from palm.report.metrics_file import MetricsFile


def line(**record):
    return json.dumps(record, ensure_ascii=False) + "\n"


def test_a_file_is_followed(tmp_path):
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path)
    assert list(file.new_records()) == []
    path.write_text(line(a=1) + line(任务="水"), encoding="utf-8")
    assert list(file.new_records()) == [{"a": 1}, {"任务": "水"}]
    assert list(file.new_records()) == []
    with path.open("a", encoding="utf-8") as out:
        out.write(line(b=2))
    assert not file.was_replaced()
    assert list(file.new_records()) == [{"b": 2}]


def test_a_last_line_that_is_not_ended_is_left_for_later(tmp_path):
    path = tmp_path / "metrics.jsonl"
    whole = line(任务="水", value=1.5).encode()
    for cut in range(1, len(whole)):  # in the middle of a character, too
        path.write_bytes(line(a=1).encode() + whole[:cut])
        file = MetricsFile(path)
        assert list(file.new_records()) == [{"a": 1}]
        assert file.is_cut
        with path.open("ab") as out:
            out.write(whole[cut:])
        assert list(file.new_records()) == [{"任务": "水", "value": 1.5}]
        assert (file.is_cut, file.damaged) == (False, 0)


def test_damaged_lines_are_counted_and_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"a": 1}\n\0\0\0\n{"a": \n[1]\n\n' + b"[" * 100_000 + b'\n\xff\xfe\n{"b": 2}\n')
    file = MetricsFile(path)
    assert list(file.new_records()) == [{"a": 1}, {"b": 2}]
    assert file.damaged == 5


def test_a_file_that_a_resumed_run_has_replaced_is_read_anew(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(line(a=1) + line(a=2), encoding="utf-8")
    file = MetricsFile(path)
    assert len(list(file.new_records())) == 2
    aside = tmp_path / "aside"
    aside.write_text(line(a=1) + line(a=3) + line(a=4), encoding="utf-8")
    aside.replace(path)
    assert file.was_replaced()
    assert list(file.new_records()) == [{"a": 1}, {"a": 3}, {"a": 4}]


def test_a_file_that_became_shorter_or_was_removed_is_read_anew(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(line(a=1) + line(a=2), encoding="utf-8")
    file = MetricsFile(path)
    assert len(list(file.new_records())) == 2
    path.write_text(line(a=9), encoding="utf-8")
    assert file.was_replaced()
    assert list(file.new_records()) == [{"a": 9}]
    path.unlink()
    assert file.was_replaced()
    assert not file.was_replaced()
    assert list(file.new_records()) == []


def test_a_line_that_holds_two_values_spoils_no_other(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"a": 1}\n{"a": 2}, {"a": 3}\n[4]\n{"a": 5}\n', encoding="utf-8")
    found = MetricsFile(file)
    assert list(found.new_records()) == [{"a": 1}, {"a": 5}]
    assert found.damaged == 2


def test_lines_can_be_chosen_before_they_are_parsed(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"a": 1}\n{"b": 2}\n', encoding="utf-8")
    found = MetricsFile(file, chosen=lambda lines: [line for line in lines if b"b" in line])
    assert list(found.new_records()) == [{"b": 2}]
