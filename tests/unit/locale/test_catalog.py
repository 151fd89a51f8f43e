import pytest

from palm.locale.catalog import CATALOG, by_rarest_word, read_catalog
from palm.locale.pattern import Pattern

FILE = r"""# a head
msgid ""
msgstr ""
"Language: zh_CN\n"

#: palm/a.py
msgid "found {1}"
msgstr "实际为 {1}"

msgid ""
"two "
"lines"
msgstr "两"
"行"

msgid "a \"quoted\" back\\slash"
msgstr ""
"""


def test_entries_are_read_and_the_header_is_none(tmp_path):
    file = tmp_path / "palm.po"
    file.write_text(FILE, encoding="utf-8")
    assert read_catalog(file) == {"found {1}": "实际为 {1}", "two lines": "两行", 'a "quoted" back\\slash': ""}


def test_polib_reads_the_catalog_alike():
    polib = pytest.importorskip("polib")
    assert {entry.msgid: entry.msgstr for entry in polib.pofile(str(CATALOG))} == read_catalog()


def test_a_pattern_stands_under_its_rarest_word():
    patterns = [Pattern("found {1} here", "{1}"), Pattern("found {1}", "{1}"), Pattern("{1}", "{1}")]
    assert by_rarest_word(patterns) == {"here": patterns[:1], "found": patterns[1:2]}
