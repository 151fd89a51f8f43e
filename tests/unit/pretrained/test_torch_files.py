"""PyTorch's files: what `torch.save` writes is read without PyTorch, what could run is refused."""

import collections
import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from palm.errors import CheckpointError
from palm.pretrained.load import load_pretrained
from palm.pretrained.safetensors_files import read_shards
from palm.pretrained.torch_files import read_torch
from tests.unit.pretrained import foreign
from tests.unit.pretrained.pickle_attacks import attacks

STORAGES = {
    "<f4": "FloatStorage", "<f8": "DoubleStorage", "<f2": "HalfStorage", "<i8": "LongStorage", "<i4": "IntStorage",
    "|u1": "ByteStorage", "|b1": "BoolStorage", "<u2": "BFloat16Storage",
}  # fmt: skip


class Storage:
    """What a pickle refers to by a persistent id."""

    def __init__(self, key: str, array: np.ndarray, kind: str | None = None) -> None:
        self.key, self.array, self.kind = key, array, kind or STORAGES[array.dtype.str]


class Tensor:
    """Pickles as a tensor does."""

    def __init__(self, storage: Storage, *how: object) -> None:
        self.state = (storage, *how)


class Global:
    """Pickles as a global."""

    def __init__(self, name: str) -> None:
        self.name = name


class Pickler(pickle._Pickler):
    """Writes tensors and storages as `torch.save` does."""

    view: tuple[object, ...] = ()

    def persistent_id(self, found: object) -> object:
        if isinstance(found, Storage):
            return ("storage", Global(f"torch {found.kind}"), found.key, "cpu", found.array.size, *self.view)
        return None

    def save(self, found: object, save_persistent_id: bool = True) -> None:
        if isinstance(found, Global):
            module, _, name = found.name.partition(" ")
            self.write(b"c" + f"{module}\n{name}\n".encode())
        elif isinstance(found, Tensor):
            self.save(Global("torch._utils _rebuild_tensor_v2"))
            self.save((*found.state, False, collections.OrderedDict()))
            self.write(b"R")
        else:
            super().save(found, save_persistent_id)


class OldPickler(Pickler):
    """Writes them as before PyTorch 1.6, where a storage might be a view of another."""

    view = (None,)


def pickled(content: object, made: type[Pickler] = Pickler) -> bytes:
    stream = io.BytesIO()
    made(stream, 2).dump(content)
    return stream.getvalue()


def write_old(
    file: Path, content: object, storages: list[Storage], *, order: str = "little", version: int = 1001
) -> Path:
    """A file in the form of `torch.save` before PyTorch 1.6: pickles one after the other, then the storages."""
    system = {"protocol_version": 1001, "little_endian": order == "little", "type_sizes": {"long": 4}}
    parts = [pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, version, system)]
    parts.append(content if isinstance(content, bytes) else pickled(content, OldPickler))
    parts.append(pickle.dumps([storage.key for storage in storages], 2))
    sign = "<" if order == "little" else ">"
    parts += [struct.pack(f"{sign}q", storage.array.size) + storage.array.tobytes() for storage in storages]
    file.write_bytes(b"".join(parts))
    return file


def write(
    file: Path, content: object, storages: list[Storage] | None = None, *, order: str = "little", **zipped: object
) -> Path:
    """A file in the form of `torch.save`."""
    with zipfile.ZipFile(file, "w", **zipped) as archive:
        archive.writestr("archive/data.pkl", content if isinstance(content, bytes) else pickled(content))
        archive.writestr("archive/byteorder", order)
        archive.writestr("archive/version", "3\n")
        for storage in storages or []:
            archive.writestr(f"archive/data/{storage.key}", storage.array.tobytes())
    return file


Writer = Callable[..., Path]


def tensor(key: str, array: np.ndarray) -> tuple[Tensor, Storage]:
    storage = Storage(key, array.ravel())
    strides = tuple(stride // array.itemsize for stride in array.strides)
    return Tensor(storage, 0, array.shape, strides), storage


both_forms = pytest.mark.parametrize("write", [write, write_old])


@both_forms
@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<f2", "<i8", "<i4", "|u1", "|b1"])
def test_element_types(tmp_path: Path, dtype: str, write: Writer):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    made, storage = tensor("0", array)
    found = read_torch(write(tmp_path / "a.bin", {"w": made, "epoch": 3, "注": "中文"}, [storage]))
    assert list(found) == ["w"]
    assert found["w"].dtype == array.dtype
    assert np.array_equal(found["w"], array)


@both_forms
def test_bfloat16_is_widened(tmp_path: Path, write: Writer):
    storage = Storage("0", np.array([0x3F80, 0xC040], "<u2"))
    found = read_torch(write(tmp_path / "a.bin", {"w": Tensor(storage, 0, (2,), (1,))}, [storage]))
    assert np.array_equal(found["w"], np.array([1.0, -3.0], "float32"))


@both_forms
def test_views_of_a_shared_storage(tmp_path: Path, write: Writer):
    storage = Storage("0", np.arange(12, dtype="<f4"))
    content = {
        "whole": Tensor(storage, 0, (3, 4), (4, 1)),
        "turned": Tensor(storage, 0, (4, 3), (1, 4)),
        "part": Tensor(storage, 5, (2, 2), (4, 1)),
        "tied": Tensor(storage, 0, (3, 4), (4, 1)),
        "number": Tensor(storage, 7, (), ()),
        "nothing": Tensor(storage, 0, (0, 4), (4, 1)),
    }
    found = read_torch(write(tmp_path / "a.bin", collections.OrderedDict(content), [storage]))
    whole = np.arange(12, dtype="float32").reshape(3, 4)
    assert np.array_equal(found["whole"], whole)
    assert np.array_equal(found["turned"], whole.T)
    assert np.array_equal(found["part"], [[5, 6], [9, 10]])
    assert np.array_equal(found["tied"], whole)
    assert found["number"] == 7
    assert found["nothing"].shape == (0, 4)


@both_forms
def test_a_big_endian_file(tmp_path: Path, write: Writer):
    storage = Storage("0", np.array([1.0, 2.0], ">f4"), "FloatStorage")
    found = read_torch(write(tmp_path / "a.bin", {"w": Tensor(storage, 0, (2,), (1,))}, [storage], order="big"))
    assert np.array_equal(found["w"], [1.0, 2.0])
    assert found["w"].dtype.isnative


@both_forms
def test_a_checkpoint_that_holds_a_state_dict(tmp_path: Path, write: Writer):
    made, storage = tensor("0", np.ones(2, "<f4"))
    found = read_torch(write(tmp_path / "a.ckpt", {"epoch": 1, "state_dict": {"w": made}}, [storage]))
    assert list(found) == ["w"]


@pytest.mark.parametrize("newer", [True, False])
def test_what_torch_itself_writes(tmp_path: Path, newer: bool):
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    weights = {**model.state_dict(), "half": torch.ones(2).half(), "b": torch.tensor([1.5, -3.0]).bfloat16()}
    weights["turned"] = weights["tied"] = model[0].weight.t()
    form = {"_use_new_zipfile_serialization": newer}
    torch.save(model.state_dict(), tmp_path / "a.bin", **form)  # with `_metadata`
    assert set(read_torch(tmp_path / "a.bin")) == set(model.state_dict())
    torch.save({**weights, "parameter": model[0].weight}, tmp_path / "a.bin", **form)
    found = read_torch(tmp_path / "a.bin")
    for name, each in {**weights, "parameter": model[0].weight}.items():
        assert np.array_equal(found[name], each.detach().float().numpy()), name


def test_a_run_needs_no_torch(tmp_path: Path):
    made, storage = tensor("0", np.ones(2, "<f4"))
    write(tmp_path / "a.bin", {"w": made}, [storage])
    code = (
        "import sys; sys.modules['torch'] = None\nfrom pathlib import Path\n"
        "from palm.pretrained.torch_files import read_torch\n"
        f"print(list(read_torch(Path({str(tmp_path / 'a.bin')!r}))))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout == "['w']\n", ended.stderr


def test_an_encoder_in_a_file_and_in_shards(tmp_path: Path):
    parts = {name: tensor(str(number), array) for number, (name, array) in enumerate(foreign.hugging_face().items())}
    write(
        tmp_path / "pytorch_model.bin",
        {name: made for name, (made, _) in parts.items()},
        [s for _, s in parts.values()],
    )
    whole = load_pretrained(tmp_path)
    assert whole.tensors.keys() == foreign.palm().keys()

    (tmp_path / "shards").mkdir()
    place = {name: f"pytorch_model-0000{1 + number % 2}-of-00002.bin" for number, name in enumerate(parts)}
    index = tmp_path / "shards" / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": place}))
    for shard in set(place.values()):
        held = [name for name in parts if place[name] == shard]
        write(index.parent / shard, {name: parts[name][0] for name in held}, [parts[name][1] for name in held])
    sharded = load_pretrained(tmp_path / "shards")
    for name, array in whole.tensors.items():
        assert np.array_equal(sharded.tensors[name], array)
    index.write_text(json.dumps({"weight_map": {**place, "more": min(place.values())}}))
    with pytest.raises(CheckpointError, match=r"Found no `more` in `pytorch_model-00001-of-00002\.bin` \(1 missing\)"):
        read_shards(index, read_torch)


@pytest.mark.parametrize("name", list(attacks(Path("trace"))))
@both_forms
def test_what_could_run_is_refused_and_does_not(tmp_path: Path, name: str, write: Writer):
    trace = tmp_path / "trace"
    evil = pickle.dumps({"w": 1, "x": attacks(trace)[name]}, 2)
    with pytest.raises(CheckpointError, match=r"evil\.bin: a weights file contains arrays and no code"):
        read_torch(write(tmp_path / "evil.bin", evil, []))
    assert not trace.exists()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"ctorch\nload\n", id="torch.load"),
        pytest.param(b"ctorch.hub\nload\n", id="torch.hub"),
        pytest.param(b"ctorch.storage\n_load_from_bytes\n(C\x01atR", id="a file within"),
        pytest.param(b"cnumpy.core.multiarray\n_reconstruct\n", id="an array of numpy"),
        pytest.param(b"ctorch._utils\n_rebuild_tensor_v2.__class__\n", id="attribute of an allowed name"),
        pytest.param(b"ctorch\nFloatStorage.__init__\n", id="attribute of a storage"),
        pytest.param(b"\x82\x01", id="extension registry"),
        pytest.param(b"Pevil\n", id="persistent id as text"),
        pytest.param(b"(X\x07\x00\x00\x00storagetQ", id="short persistent id"),
        pytest.param(b"(X\x07\x00\x00\x00storageX\x01\x00\x00\x00aX\x01\x00\x00\x000NK\x01tQ", id="no storage class"),
        pytest.param(b"ctorch\nFloatStorage\n(tR", id="storage without a file"),
        pytest.param(b"ctorch\nFloatStorage\n}X\x01\x00\x00\x00aK\x01sb", id="attribute set on what is allowed"),
        pytest.param(
            b"ctorch._utils\n_rebuild_tensor_v2\n}X\x08\x00\x00\x00__call__K\x01sb", id="method replaced on it"
        ),
    ],
)  # fmt: skip
@both_forms
def test_tricks_of_the_pickle_machine_are_refused(tmp_path: Path, body: bytes, write: Writer):
    with pytest.raises(CheckpointError, match=r"evil\.bin: "):
        read_torch(write(tmp_path / "evil.bin", b"\x80\x02" + body + b".", []))


@pytest.mark.parametrize(
    "how",
    [
        pytest.param((0, (5,), (1,)), id="beyond the storage"),
        pytest.param((3, (2,), (1,)), id="from an offset beyond it"),
        pytest.param((0, (2, 2), (4, 1)), id="by strides beyond it"),
        pytest.param((0, (1000000, 1000000), (0, 0)), id="expanded to much memory"),
        pytest.param((-1, (2,), (1,)), id="from before it"),
        pytest.param((0, (2,), (-1,)), id="backwards"),
        pytest.param((0, (2,), (1, 1)), id="more strides than axes"),
        pytest.param((0, (2.0,), (1,)), id="a fraction"),
        pytest.param((True, (2,), (1,)), id="a boolean"),
        pytest.param((0, [2], [1]), id="lists"),
        pytest.param((0, (2**40,), (1,)), id="an absurd axis"),
    ],
)
@both_forms
def test_tensors_outside_of_their_storage_are_refused(tmp_path: Path, how: tuple[object, ...], write: Writer):
    storage = Storage("0", np.ones(4, "<f4"))
    with pytest.raises(CheckpointError, match=r"a\.bin: cannot be read as a file of PyTorch's: ") as caught:
        read_torch(write(tmp_path / "a.bin", {"w": Tensor(storage, *how)}, [storage]))
    assert len(str(caught.value)) < 400


def test_storages_that_are_not_what_they_say_are_refused(tmp_path: Path):
    storage = Storage("0", np.ones(4, "<f4"))
    content = {"w": Tensor(storage, 0, (4,), (1,))}
    for given, words in (([], "no item named"), ([Storage("0", np.ones(3, "<f4"))], "a storage of 12 bytes for 4")):
        with pytest.raises(CheckpointError, match=words):
            read_torch(write(tmp_path / "a.bin", content, given))
    with pytest.raises(CheckpointError, match="the compressed member"):
        read_torch(write(tmp_path / "a.bin", content, [storage], compression=zipfile.ZIP_DEFLATED))


def test_old_files_that_contradict_themselves_are_refused(tmp_path: Path):
    storage = Storage("0", np.ones(4, "<f4"))
    content = {"w": Tensor(storage, 0, (4,), (1,))}
    file = write_old(tmp_path / "a.bin", content, [storage])
    assert np.array_equal(read_torch(file)["w"], np.ones(4))
    whole = file.read_bytes()
    for made, words in (
        (lambda: write_old(file, content, []), "other storages than those"),
        (lambda: write_old(file, content, [Storage("0", np.ones(3, "<f4"))]), "a storage of 3 elements that must have"),
        (lambda: write_old(file, content, [storage], version=1000), "a version of the format"),
        (lambda: write_old(file, {**content, "x": Tensor(Storage("0", np.ones(4, "<f8")), 0, (4,), (1,))}, [storage]),
         "the storage 0 of two types"),
        (lambda: file.write_bytes(whole[:-5]), "a storage of 11 bytes for 4 elements of 4"),
        (lambda: file.write_bytes(whole[:-24] + struct.pack("<q", 2**40) + whole[-16:]), "a storage of 16 bytes for"),
        (lambda: file.write_bytes(whole[:-24] + struct.pack("<q", -1) + whole[-16:]), "a storage of 0 bytes for -1"),
    ):  # fmt: skip
        made()
        with pytest.raises(CheckpointError, match=words):
            read_torch(file)


def test_other_forms_are_called_by_name(tmp_path: Path):
    for data in (b"", b"nonsense", pickle.dumps({"w": 1}, 2), struct.pack("<Q", 3)):
        (tmp_path / "a.bin").write_bytes(data)
        with pytest.raises(CheckpointError, match=r"a file that `torch\.save` wrote is expected\. Found another form"):
            read_torch(tmp_path / "a.bin")
    (tmp_path / "a.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n")
    with pytest.raises(CheckpointError, match="git lfs pull"):
        read_torch(tmp_path / "a.bin")
    with pytest.raises(CheckpointError, match="must be a dictionary from names to tensors"):
        read_torch(write(tmp_path / "a.bin", [1, 2]))


@both_forms
def test_damaged_files_are_refused(tmp_path: Path, write: Writer):
    made, storage = tensor("0", np.ones(64, "<f4"))
    data = write(tmp_path / "a.bin", {"w": made}, [storage]).read_bytes()
    generator = np.random.default_rng(1)
    for _ in range(200):
        damaged = bytearray(data)
        damaged[int(generator.integers(len(data)))] ^= 1 << int(generator.integers(8))
        (tmp_path / "b.bin").write_bytes(bytes(damaged))
        try:
            read_torch(tmp_path / "b.bin")
        except CheckpointError:
            continue
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.bin", "b.bin"]
