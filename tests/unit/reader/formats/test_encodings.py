"""Text in other encodings is read with the key `encoding`; without it, the encoding is named where it is recognised."""

import gzip

import pytest

from palm.errors import DataError
from palm.reader.formats.files import read_lines, read_text

CHINESE = "标签\t文本\n1\t我爱北京天安门，你呢？\n0\t酒店在哪里 hotel\n"
KOREAN = "label\ttext\n1\t안녕하세요 반갑습니다\n0\t호텔이 어디에 있습니까\n"
TAIWAN = "標籤\t文本\n1\t飯店在哪裡，我想訂一個房間\n"
FRENCH = "label\ttext\n1\tun café près de l'hôtel, très élégant\n0\tdéjà vu à Orléans\n"


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "utf-16", "utf-16-le", "utf-32", "utf_8"])
def test_the_key_encoding(write, encoding):
    file = write("x.tsv", CHINESE.encode(encoding))
    assert list(read_lines(file, "utf-8" if encoding == "utf_8" else encoding)) == CHINESE.split("\n")[:-1]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (CHINESE.encode("gbk"), "x.tsv:1: a data file must be UTF-8, found byte 0xb1 (column 1). This looks like GBK: "
         "set `encoding: gb18030`, or convert the file."),
        (b"label\ttext\n1\tok\n" * 1000 + CHINESE.encode("gb18030"), "This looks like GBK: set `encoding: gb18030`"),
        (CHINESE.encode("utf-16"), "This looks like UTF-16: set `encoding: utf-16`, or convert the file."),
        (CHINESE.encode("utf-32"), "This looks like UTF-32: set `encoding: utf-32`, or convert the file."),
        (KOREAN.encode("euc-kr"), "This looks like GBK or Korean (EUC-KR): set `encoding: gb18030` or `"),
        (FRENCH.encode("latin-1"), "found byte 0xe9 (column 9). Convert the file, for example with iconv"),
        (TAIWAN.encode("big5"), "Convert the file, for example with iconv, or set `encoding`."),
    ],
)  # fmt: skip
def test_an_encoding_is_named_where_it_is_recognised(write, raw, message):
    with pytest.raises(DataError) as caught:
        read_lines(write("x.tsv", raw))
    assert message in str(caught.value)


def test_a_wrong_key_is_named(write):
    with pytest.raises(DataError, match=r"x\.tsv:1: a data file must be ASCII, found byte 0xe6 \(column 1\)"):
        read_lines(write("x.tsv", CHINESE), "ascii")
    with pytest.raises(DataError, match=r"x\.tsv:1: a data file must be UTF-16, found byte"):
        read_lines(write("x.tsv", b"\xff\xfea\0\x00\xd8"), "utf-16")


def test_gzip_is_unpacked_whatever_the_name(write):
    raw = gzip.compress(CHINESE.encode("gb18030"))
    assert list(read_lines(write("x.tsv.gz", raw), "gb18030")) == CHINESE.split("\n")[:-1]
    assert read_text(write("x.tsv", raw), "gb18030") == CHINESE


def test_gzip_that_is_truncated_or_damaged_is_refused(write):
    raw = gzip.compress(CHINESE.encode() * 500)
    for broken in (raw[:-20], raw[:60] + b"\0\0\0\0" + raw[64:], raw[:-8] + b"\0" * 8, raw[:5]):
        with pytest.raises(DataError, match=r"x\.tsv\.gz: a packed file must be complete gzip, found it truncated or"):
            read_lines(write("x.tsv.gz", broken))


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"PK\x03\x04\x14\0\x06\0\x08\0", "a zip archive or an xlsx workbook"),
        (b"PAR1\x15\x04\x15\xff", "a parquet file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a pointer of Git LFS"),
    ],
)
def test_other_kinds_of_files_are_named(write, raw, found):
    with pytest.raises(DataError) as caught:
        read_lines(write("x.tsv", raw))
    assert f"found {found}" in str(caught.value)
