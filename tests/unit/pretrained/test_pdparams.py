"""`.pdparams` files: what Paddle writes is read, what could run is refused."""

import collections
import pickle
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle import nn

from palm.errors import CheckpointError
from palm.pretrained.pdparams import read_pdparams
from tests.attacks import crafted_states, good_state
from tests.unit.pretrained.pickle_attacks import Runs, attacks


def write(file: Path, content: object, protocol: int = 4) -> Path:
    file.write_bytes(pickle.dumps(content, protocol))
    return file


def test_a_file_of_paddle_save(tmp_path: Path):
    layers = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    file = tmp_path / "model_state.pdparams"
    paddle.save(layers.state_dict(), str(file))

    found = read_pdparams(file)
    assert set(found) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    for name, tensor in layers.state_dict().items():
        assert np.array_equal(found[name], tensor.numpy())


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_every_protocol_that_paddle_writes(tmp_path: Path, protocol: int):
    file = tmp_path / "a.pdparams"
    paddle.save(nn.Linear(3, 2).state_dict(), str(file), protocol=protocol)

    assert set(read_pdparams(file)) == {"weight", "bias"}


def test_a_bare_tensor_in_a_dictionary(tmp_path: Path):
    file = tmp_path / "a.pdparams"
    paddle.save({"w": paddle.ones([2, 3]), "epoch": 3, "note": "中文"}, str(file))

    found = read_pdparams(file)
    assert list(found) == ["w"]
    assert np.array_equal(found["w"], np.ones([2, 3]))


def test_bfloat16_is_widened(tmp_path: Path):
    file = tmp_path / "a.pdparams"
    paddle.save({"w": paddle.to_tensor([1.0, -3.0]).astype("bfloat16")}, str(file))

    assert np.array_equal(read_pdparams(file)["w"], np.array([1.0, -3.0], "float32"))


@pytest.mark.parametrize("order", ["<f4", ">f4", "<f2", "<f8"])
def test_element_types_and_byte_orders(tmp_path: Path, order: str):
    array = np.arange(6).reshape(2, 3).astype(order)

    assert np.array_equal(read_pdparams(write(tmp_path / "a.pdparams", {"w": array}))["w"], array)


def test_reading_leaves_numpys_own_types_alone(tmp_path: Path):
    read_pdparams(write(tmp_path / "a.pdparams", {"w": np.ones(2, ">f4")}))

    assert np.dtype("float32").isnative


def test_ordered_dictionaries_and_column_order(tmp_path: Path):
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    content = collections.OrderedDict([("b", array), ("a", np.zeros(1))])
    found = read_pdparams(write(tmp_path / "a.pdparams", content))

    assert list(found) == ["b", "a"]
    assert np.array_equal(found["b"], array)


def test_a_python_2_file(tmp_path: Path):
    """Protocol 0 as Python 2 wrote it: byte strings without an encoding."""
    data = (
        b"(dp0\nS'w'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n"
        b"(I1\n(I2\ntp8\ncnumpy\ndtype\np9\n(S'f4'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
        b"S'\\x00\\x00\\x80?\\x00\\x00\\x00@'\np15\ntp16\nbs."
    )
    (tmp_path / "a.pdparams").write_bytes(data)

    assert np.array_equal(read_pdparams(tmp_path / "a.pdparams")["w"], np.array([1.0, 2.0], "float32"))


@pytest.mark.parametrize("name", list(attacks(Path("trace"))))
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_what_could_run_is_refused_and_does_not(tmp_path: Path, name: str, protocol: int):
    trace = tmp_path / "trace"
    file = write(tmp_path / "evil.pdparams", {"w": np.ones(2), "x": attacks(trace)[name]}, protocol)

    with pytest.raises(CheckpointError, match=r"evil\.pdparams: a weights file contains arrays and no code"):
        read_pdparams(file)
    assert not trace.exists()


def test_arrays_of_objects_are_refused(tmp_path: Path):
    trace = tmp_path / "trace"
    array = np.array([Runs(eval, f"open({str(trace)!r}, 'w')")], dtype=object)

    with pytest.raises(CheckpointError, match=r"an array of 'O8'"):
        read_pdparams(write(tmp_path / "evil.pdparams", {"w": array}))
    assert not trace.exists()


def test_the_message_names_what_was_refused(tmp_path: Path):
    file = write(tmp_path / "evil.pdparams", {"w": Runs(eval, "1")})

    with pytest.raises(CheckpointError, match=r"Refused `builtins\.eval`; nothing was executed\."):
        read_pdparams(file)


def by_hand(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"ccollections\nOrderedDict.__class__\n", id="attribute of an allowed name"),
        pytest.param(b"cnumpy\ndtype.__init__\n", id="attribute of a type"),
        pytest.param(b"\x82\x01", id="extension registry"),
        pytest.param(b"Pevil\n", id="persistent id"),
        pytest.param(b"cnumpy\ndtype\n(X\x01\x00\x00\x00OtR", id="objects"),
        pytest.param(b"cnumpy\nndarray\n((K\x02tX\x02\x00\x00\x00f4tR", id="memory that nobody filled"),
        pytest.param(
            b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR", id="another encoding"
        ),
        pytest.param(
            b"ccollections\nOrderedDict\n(N}X\x01\x00\x00\x00aK\x01stb", id="attribute set on what is allowed"
        ),
        pytest.param(
            b"c_codecs\nencode\n}X\x08\x00\x00\x00__call__K\x01sb", id="method replaced on what is allowed"
        ),
    ],
)  # fmt: skip
def test_tricks_of_the_pickle_machine_are_refused(tmp_path: Path, body: bytes):
    (tmp_path / "evil.pdparams").write_bytes(by_hand(body))

    with pytest.raises(CheckpointError, match=r"evil\.pdparams: "):
        read_pdparams(tmp_path / "evil.pdparams")


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04", b"not a pickle", pickle.dumps([1, 2]), pickle.dumps({"w": np.ones(9)})[:-30]]
)
def test_damaged_files_are_refused(tmp_path: Path, data: bytes):
    (tmp_path / "a.pdparams").write_bytes(data)

    with pytest.raises(CheckpointError, match=r"a\.pdparams: (cannot be read as \.pd|must be a dictionary from names)"):
        read_pdparams(tmp_path / "a.pdparams")


def test_states_put_together_by_hand_are_right(tmp_path: Path):
    """Otherwise the refusals below might be of something else."""
    (tmp_path / "a.pdparams").write_bytes(good_state())
    assert np.array_equal(read_pdparams(tmp_path / "a.pdparams")["w"], np.zeros(2, "float32"))


STATES = list(crafted_states())


@pytest.mark.parametrize("content", [content for _, content in STATES], ids=[name for name, _ in STATES])
def test_a_state_sets_a_byte_order_and_nothing_else(tmp_path: Path, content: bytes):
    file = tmp_path / "a.pdparams"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.pdparams: cannot be read as \.pdparams: ") as caught:
        read_pdparams(file)
    said = str(caught.value).partition("cannot be read as .pdparams: ")[2]
    assert said.startswith(("an element type with", "an array of", "a state of", "maximum recursion")), (
        "numpy itself is not asked"
    )
    assert len(said) < 200
