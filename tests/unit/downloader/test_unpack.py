"""Archives that try to get out, to link, to bomb; and one that is right."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from palm.downloader import unpack as unpack_module
from palm.downloader.unpack import unpack
from palm.errors import DownloadError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / "side"
    folder.mkdir(parents=True)
    return folder


def tar_of(file: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(file, mode) as archive:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file


def plain(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def everything_under(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_unpacks_a_tar(tmp_path: Path, folder: Path, mode: str) -> None:
    top = special("model", tarfile.DIRTYPE)
    members = [top, plain("model/params/w_0", b"\0\1"), plain("./model/词表.txt", "你好\n".encode())]
    unpack(tar_of(tmp_path / "a.tar", *members, mode=mode), folder)
    assert (folder / "model/params/w_0").read_bytes() == b"\0\1"
    assert (folder / "model/词表.txt").read_text(encoding="utf-8") == "你好\n"


def test_unpacks_a_zip(tmp_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("model") if hasattr(archive, "mkdir") else archive.writestr("model/", "")
        archive.writestr("model/vocab.txt", "你好\n")
    unpack(tmp_path / "a.zip", folder)
    assert (folder / "model/vocab.txt").read_text(encoding="utf-8") == "你好\n"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:evil", "a/../b"])
def test_refuses_paths_that_lead_outside(tmp_path: Path, folder: Path, name: str) -> None:
    before = everything_under(tmp_path)
    archive = tar_of(tmp_path / "a.tar.gz", plain(name))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(name, "x")
    for file in (archive, tmp_path / "a.zip"):
        with pytest.raises(DownloadError, match=r"regular files and folders under relative paths.*leads outside"):
            unpack(file, folder)
    assert everything_under(tmp_path) == before | {"a.tar.gz", "a.zip"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_refuses_links_and_devices(tmp_path: Path, folder: Path, kind: bytes) -> None:
    archive = tar_of(tmp_path / "a.tar.gz", special("harmless", kind, target="vocab.txt"))
    with pytest.raises(DownloadError, match=r"a link or device \(`harmless`\)"):
        unpack(archive, folder)
    assert everything_under(folder) == set()


def test_a_link_cannot_be_written_through(tmp_path: Path, folder: Path) -> None:
    members = [special("out", tarfile.SYMTYPE, target=str(tmp_path)), plain("out/evil")]
    with pytest.raises(DownloadError, match="a link or device"):
        unpack(tar_of(tmp_path / "a.tar.gz", *members), folder)
    assert not (tmp_path / "evil").exists()


def test_refuses_a_link_in_a_zip(tmp_path: Path, folder: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc")
    with pytest.raises(DownloadError, match=r"a link or device \(`link`\)"):
        unpack(tmp_path / "a.zip", folder)


def test_refuses_more_bytes_than_allowed(tmp_path: Path, folder: Path) -> None:
    members = [plain("a", bytes(600)), plain("b", bytes(600))]
    archive = tar_of(tmp_path / "a.tar.gz", *members)
    unpack(archive, folder, largest=1200)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(DownloadError, match=r"more bytes than allowed \(`b`\)"):
        unpack(archive, other, largest=1199)


def test_refuses_too_many_members(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack_module, "MOST_MEMBERS", 3)
    with pytest.raises(DownloadError, match="more than 3 members"):
        unpack(tar_of(tmp_path / "a.tar.gz", *[plain(f"f{number}") for number in range(4)]), folder)


def test_refuses_a_name_that_stands_twice(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DownloadError, match="a repeated name"):
        unpack(tar_of(tmp_path / "a.tar.gz", plain("vocab.txt", b"1"), plain("vocab.txt", b"2")), folder)
    assert (folder / "vocab.txt").read_bytes() == b"1"


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[: len(raw) // 2], lambda _: b"<html>not found</html>", lambda _: b""]
)
def test_refuses_what_is_no_whole_archive(tmp_path: Path, folder: Path, damage) -> None:
    archive = tar_of(tmp_path / "a.tar.gz", plain("a", bytes(range(256)) * 1000))
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(DownloadError, match="must be a complete tar or zip file"):
        unpack(archive, folder)
