"""Variables of Paddle 1.x, written here byte by byte as its C++ code does."""

import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from palm.errors import CheckpointError
from palm.pretrained.paddle1x import parse_variable, read_archive, read_folder

TYPES = {"int32": 2, "int64": 3, "float16": 4, "float32": 5, "float64": 6}


def varint(value: int) -> bytes:
    encoded = b""
    while value >= 128:
        encoded += bytes([value % 128 + 128])
        value //= 128
    return encoded + bytes([value])


def variable(
    array: np.ndarray, *, levels: tuple[bytes, ...] = (), packed: bool = False, kind: int | None = None
) -> bytes:
    description = b"\x08" + varint(TYPES[str(array.dtype)] if kind is None else kind)
    if packed:
        dims = b"".join(varint(size) for size in array.shape)
        description += b"\x12" + varint(len(dims)) + dims
    else:
        description += b"".join(b"\x10" + varint(size) for size in array.shape)
    head = struct.pack("<IQ", 0, len(levels)) + b"".join(struct.pack("<Q", len(level)) + level for level in levels)
    return head + struct.pack("<Ii", 0, len(description)) + description + array.tobytes()


@pytest.mark.parametrize("dtype", list(TYPES))
@pytest.mark.parametrize("packed", [False, True])
def test_a_variable_comes_back(dtype: str, packed: bool):
    array = np.arange(300 * 2).reshape(300, 2).astype(dtype)
    found = parse_variable(variable(array, packed=packed), "w")

    assert found.dtype == dtype
    assert np.array_equal(found, array)


def test_levels_of_detail_are_skipped():
    array = np.array([1.5, -2.0], "float32")

    assert np.array_equal(parse_variable(variable(array, levels=(b"\x00" * 16, b"\x01" * 24)), "w"), array)


def test_bfloat16_is_widened():
    bits = np.array([0x3F80, 0xC040], "uint16")  # 1.0 and -3.0

    assert np.array_equal(parse_variable(variable(bits, kind=22), "w"), np.array([1.0, -3.0], "float32"))


@pytest.mark.parametrize("cut", [1, 9, 17, 21, 40])
def test_a_cut_off_file_is_refused(cut: int):
    data = variable(np.ones([4, 4], "float32"))

    with pytest.raises(
        CheckpointError, match=r"^params/w: (is not a variable of Paddle 1\.x|a file contains one variable)"
    ):
        parse_variable(data[:cut], "params/w")


def test_a_file_with_several_variables_is_refused():
    data = variable(np.ones([2], "float32"))

    with pytest.raises(
        CheckpointError, match=r"a file contains one variable\. Found 40 bytes for shape \[2\] with 4 bytes per element"
    ):
        parse_variable(data + data, "__params__")


def test_other_files_are_refused():
    with pytest.raises(CheckpointError, match=r"notes: is not a variable of Paddle 1\.x"):
        parse_variable(b"hello, this is a text of some length, in which no numbers are kept", "notes")


def test_an_unknown_element_type_is_refused():
    with pytest.raises(CheckpointError, match="unknown element type 19"):
        parse_variable(variable(np.ones([2], "float32"), kind=19), "w")


def test_a_folder_is_read_with_its_subfolders(tmp_path: Path):
    (tmp_path / "mrqa").mkdir()
    (tmp_path / "word_embedding").write_bytes(variable(np.ones([3, 2], "float32")))
    (tmp_path / "mrqa" / "cls_out_b").write_bytes(variable(np.zeros([2], "float32")))

    assert {name: array.shape for name, array in read_folder(tmp_path).items()} == {
        "word_embedding": (3, 2),
        "mrqa/cls_out_b": (2,),
    }


def archive(file: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file


def test_an_archive_is_read_in_memory(tmp_path: Path):
    file = archive(tmp_path / "__palmmodel__", {"__paddlepalm_word_embedding": variable(np.ones([3, 2], "float32"))})

    assert read_archive(file)["__paddlepalm_word_embedding"].shape == (3, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["__palmmodel__"]


@pytest.mark.parametrize("name", ["../word_embedding", "/etc/word_embedding", "a/../../b", "..\\b"])
def test_members_that_lead_outside_are_refused(tmp_path: Path, name: str):
    file = archive(tmp_path / "__palmmodel__", {name: variable(np.ones([2], "float32"))})

    with pytest.raises(CheckpointError, match=r"member paths must stay inside the archive\. Found "):
        read_archive(file)


def test_links_are_refused(tmp_path: Path):
    with tarfile.open(tmp_path / "__palmmodel__", "w") as tar:
        link = tarfile.TarInfo("word_embedding")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)

    with pytest.raises(CheckpointError, match="`word_embedding`, a link"):
        read_archive(tmp_path / "__palmmodel__")


def test_a_damaged_archive_is_refused(tmp_path: Path):
    (tmp_path / "a.tar").write_bytes(b"no tar")

    with pytest.raises(CheckpointError, match="cannot be read as a tar archive"):
        read_archive(tmp_path / "a.tar")
