import sys

import pytest

from palm.cli.main import main
from palm.cli.report import output_file
from palm.errors import ConfigError


def test_where_the_page_goes(tmp_path):
    assert output_file(None, [tmp_path]) == tmp_path / "report.html"
    assert output_file(None, [tmp_path, tmp_path]).as_posix() == "report.html"
    assert output_file(str(tmp_path / "x.html"), [tmp_path]) == tmp_path / "x.html"
    with pytest.raises(ConfigError, match=r"the page is one file. Found a folder: .+ Name a file in it"):
        output_file(str(tmp_path), [tmp_path])


def test_what_is_no_run_is_an_error_without_a_traceback(tmp_path, capsys):
    for name in ("altair", "jinja2", "vl_convert"):
        pytest.importorskip(name)
    assert main(["report", str(tmp_path)]) == 2
    assert "a run is known by its metrics.jsonl or log.txt. Found a folder without them." in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    assert main(["report", str(tmp_path)]) == 2
    assert 'pip install "paddle-palm[report]"' in capsys.readouterr().err
