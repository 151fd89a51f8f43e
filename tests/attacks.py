"""Files that try to run code, to get out of their folder, or to confuse whoever reads them.

Tests and `benchmarks/faults` use them. `Watched` notes what a reader makes the process do: an attack that works shows
as an event of Python's audit hooks.
"""

import hashlib
import io
import json
import stat
import struct
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import TracebackType

import numpy as np
from safetensors.numpy import save

# Events that no reader of weights, archives or configurations has a reason for.
_FORBIDDEN = (
    "exec", "compile", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "pty.spawn",
    "subprocess.Popen", "socket.connect", "socket.bind", "urllib.Request", "ctypes.dlopen", "ctypes.dlsym",
    "marshal.loads", "marshal.load", "shutil.rmtree", "shutil.move", "os.remove", "os.rename", "os.chmod", "os.link",
    "os.symlink", "os.putenv", "sys.settrace", "sys.setprofile", "builtins.input", "code.__new__", "function.__new__",
    "webbrowser.open", "import",
)  # fmt: skip


class Watched:
    """Notes forbidden events while it is open. Hooks cannot be removed, so there is one for the whole process."""

    _events: list[str] | None = None
    _hooked = False

    def __enter__(self) -> list[str]:
        if not Watched._hooked:
            sys.addaudithook(_note)
            Watched._hooked = True
        Watched._events = []
        return Watched._events

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        Watched._events = None


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if Watched._events is None:
        return
    if event in _FORBIDDEN:
        Watched._events.append(f"{event} {arguments!r:.100}")
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        Watched._events.append(f"open {arguments!r:.100}")


# What a malicious pickle calls: module, name, arguments as pickle opcodes that leave them on the stack.
def _text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def _calls(trace: str) -> list[tuple[str, str, bytes]]:
    touch, code = _text(f"touch {trace}"), _text(f"open({trace!r}, 'w').close()")
    return [
        ("os", "system", touch),
        ("posix", "system", touch),
        ("nt", "system", touch),
        ("os", "popen", touch),
        ("os", "execl", _text("/bin/touch") + _text("touch") + _text(trace)),
        ("os", "remove", _text(trace)),
        ("os", "putenv", _text("A") + _text("B")),
        ("os", "_exit", b"K\x01"),
        ("builtins", "eval", code),
        ("builtins", "exec", code),
        ("builtins", "compile", code + _text("x") + _text("exec")),
        ("builtins", "open", _text(trace) + _text("w")),
        ("builtins", "__import__", _text("antigravity")),
        ("builtins", "getattr", _text("x") + _text("upper")),
        ("builtins", "setattr", _text("x") + _text("upper") + b"K\x01"),
        ("builtins", "breakpoint", b""),
        ("builtins", "input", b""),
        ("builtins", "globals", b""),
        ("builtins", "type", _text("T") + b")}"),
        ("builtins", "map", b"NN"),
        ("__builtin__", "eval", code),
        ("__builtin__", "execfile", _text(trace)),
        ("subprocess", "Popen", touch),
        ("subprocess", "call", touch),
        ("subprocess", "check_output", touch),
        ("commands", "getoutput", touch),
        ("pty", "spawn", touch),
        ("asyncio.subprocess", "create_subprocess_shell", touch),
        ("runpy", "run_path", _text(trace)),
        ("runpy", "_run_code", code + b"}"),
        ("timeit", "timeit", code),
        ("cProfile", "run", code),
        ("profile", "run", code),
        ("pdb", "run", code),
        ("bdb", "Bdb.run", code),
        ("doctest", "debug_script", code),
        ("code", "InteractiveInterpreter", b""),
        ("importlib", "import_module", _text("antigravity")),
        ("importlib", "reload", b"N"),
        ("ctypes", "CDLL", _text("libc.so.6")),
        ("ctypes.util", "find_library", _text("c")),
        ("socket", "create_connection", _text("127.0.0.1") + b"K\x09\x86"),
        ("urllib.request", "urlopen", _text("http://127.0.0.1:9/")),
        ("webbrowser", "open", _text("http://127.0.0.1:9/")),
        ("shutil", "rmtree", _text(trace)),
        ("shutil", "move", _text(trace) + _text(trace)),
        ("pathlib", "Path.write_text", _text(trace)),
        ("io", "FileIO", _text(trace) + _text("w")),
        ("pickle", "loads", b"C\x03cos"),
        ("_pickle", "loads", b"C\x03cos"),
        ("marshal", "loads", b"C\x01N"),
        ("types", "CodeType", b""),
        ("types", "FunctionType", b"NN"),
        ("operator", "attrgetter", _text("system")),
        ("operator", "methodcaller", _text("system")),
        ("functools", "partial", b"N"),
        ("functools", "reduce", b"NN"),
        ("itertools", "accumulate", b"N"),
        ("sys", "exit", b"K\x01"),
        ("sys", "setrecursionlimit", b"K\x05"),
        ("signal", "raise_signal", b"K\x02"),
        ("threading", "Thread", b"N"),
        ("multiprocessing.util", "spawnv_passfds", _text("/bin/true") + b")" + b")"),
        ("numpy", "load", _text(trace)),
        ("numpy", "save", _text(trace) + b"K\x01"),
        ("numpy", "fromfile", _text(trace)),
        ("numpy", "memmap", _text(trace)),
        ("numpy.testing._private.utils", "runstring", code + b"}"),
        ("numpy.f2py.crackfortran", "getlincoef", _text(f"__import__('os').system('touch {trace}')") + b"}"),
        ("paddle", "load", _text(trace)),
        ("paddle.utils.cpp_extension", "load", _text("x") + _text(trace)),
        ("torch", "load", _text(trace)),
        ("torch.storage", "_load_from_bytes", b"C\x01N"),
        ("pip._internal.cli.main", "main", b""),
        ("pydoc", "pipepager", code + touch),
        ("_codecs", "decode", code + _text("rot13")),
        ("codecs", "open", _text(trace) + _text("w")),
        ("copyreg", "__newobj__", b"N"),
        ("collections", "namedtuple", _text("T") + _text("a")),
        ("site", "addsitedir", _text(trace)),
    ]


def malicious_pickles(trace: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of pickles, each with a call in each of the ways that the pickle machine knows."""
    for module, name, arguments in _calls(str(trace)):
        by_name = f"c{module}\n{name}\n".encode()
        by_stack = _text(module) + _text(name) + b"\x93"
        forms = {
            "reduce": by_name + b"(" + arguments + b"tR",
            "stack global": by_stack + b"(" + arguments + b"tR",
            "inst": b"(" + arguments + f"i{module}\n{name}\n".encode(),
            "obj": b"(" + by_name + arguments + b"o",
            "newobj": by_name + b"(" + arguments + b"t\x81",
            "newobj_ex": by_name + b"(" + arguments + b"t}\x92",
            "build": by_name + b")R}" + _text("x") + b"K\x01sb",
        }
        for form, body in forms.items():
            for place, whole in (("alone", body), ("in a dictionary", b"}" + _text("w") + body + b"s")):
                yield f"{module}.{name} by {form}, {place}", b"\x80\x04" + whole + b"."


# The state of a plain float32 element type and of an array of two of them, as pickle opcodes.
_MINUS_ONE, _HUGE = b"J\xff\xff\xff\xff", b"\x8a\x08" + bytes(7) + b"\x40"  # -1 and 2^62
_KIND = {
    "version": b"K\x03", "order": b"X\x01\0\0\0<", "sub-array": b"N", "names": b"N", "fields": b"N", "size": _MINUS_ONE,
    "alignment": _MINUS_ONE, "flags": b"K\0",
}  # fmt: skip
_ARRAY = {
    "version": b"K\x01", "shape": b"K\x02\x85", "kind": b"h\0", "column order": b"\x89", "bytes": b"C\x08" + bytes(8),
}  # fmt: skip
_WRONG_KINDS = [
    ("flags", b"K\x3f"), ("flags", b"K\x01"), ("flags", _MINUS_ONE), ("flags", b""), ("flags", b"K\0}"),
    ("flags", b"G" + bytes(8)), ("flags", b"\x89"), ("sub-array", b"h\0K\x02\x85\x86"), ("names", b"X\x01\0\0\0a\x85"),
    ("fields", b"}"), ("size", b"J\0\0\0\x10"), ("size", b"K\0"), ("alignment", b"K\x40"), ("order", b"X\x01\0\0\0?"),
    ("order", b"C\x01<"), ("order", b"N"), ("version", b"K\x63"),
]  # fmt: skip
_WRONG_ARRAYS = [
    ("shape", _HUGE + b"\x85"), ("shape", _HUGE + b"K\0\x86"), ("shape", b"K\0" + _HUGE + b"\x86"),
    ("shape", _HUGE + _HUGE + b"\x86"), ("shape", _MINUS_ONE + b"\x85"), ("shape", b"K\x02"), ("shape", b")"),
    ("shape", b"X\x01\0\0\0a\x85"), ("shape", b"K\x03\x85"), ("shape", b"K\x01\x85"), ("shape", b"\x88\x85"),
    ("shape", b"G?\xe0" + bytes(6) + b"\x85"), ("shape", b"(" + b"K\x01" * 100 + b"t"),
    ("shape", b"K\x02" + b"\x85" * 20_000), ("version", b"K\x02"), ("kind", b"N"), ("column order", b"K\x07"),
    ("bytes", b"N"), ("bytes", b"C\x04" + bytes(4)),
]  # fmt: skip


def good_state() -> bytes:
    """A pickled dictionary with one array, `w`, put together as `crafted_states` are."""
    return _with_states(_KIND, _ARRAY)


def crafted_states() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of pickles whose states (BUILD) say more than a byte order, or lie about the array."""
    for part, change in _WRONG_KINDS:
        yield f"element type, {part} {change!r:.40}", _with_states({**_KIND, part: change}, _ARRAY)
    for part, change in _WRONG_ARRAYS:
        yield f"array, {part} {change!r:.40}", _with_states(_KIND, {**_ARRAY, part: change})
    changed = b"h\0(" + b"".join({**_KIND, "flags": b"K\x3f"}.values()) + b"tb0"
    yield "element type, changed after use", _with_states(_KIND, _ARRAY, changed)
    yield "a dictionary", b"\x80\x04}X\x01\0\0\0w}}bs."
    yield "a list", b"\x80\x04}X\x01\0\0\0w]}bs."
    yield "a stand-in", b"\x80\x04}X\x01\0\0\0wcnumpy\nndarray\n}bs."


def _with_states(kind: dict[str, bytes], array: dict[str, bytes], after: bytes = b"") -> bytes:
    dtype = b"cnumpy\ndtype\n(X\x02\0\0\0f4\x89\x88tRq\0(" + b"".join(kind.values()) + b"tb0"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85C\x01btR"
    return b"\x80\x04" + dtype + b"}X\x01\0\0\0w" + empty + b"(" + b"".join(array.values()) + b"tb" + after + b"s."


def crafted_safetensors() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of safetensors files with headers that lie."""
    good = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}

    def made(header: object, data: bytes = bytes(8), length: int | None = None) -> bytes:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text) if length is None else length) + text + data

    yield "empty", b""
    yield "half a length", b"\0\0\0"
    yield "a length and nothing", struct.pack("<Q", 8)
    for length in (2**64 - 1, 2**63, 2**62, 2**40, 2**31, 100_000_001, 0):
        yield f"header of {length} bytes", made({"a": good}, length=length)
    for name, text in {
        "no json": b"\xff\xfe{}", "a list": b"[]", "a number": b"7", "null": b"null", "a string": b'"x"',
        "deep json": b"[" * 50_000, "deep objects": b'{"a":' * 20_000, "cut": b'{"a": {"dtype"', "NUL": b"\0" * 16,
        "twice": b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],'
        b'"data_offsets":[0,8]}}',
    }.items():  # fmt: skip
        yield f"header is {name}", made(text)
    changes: dict[str, dict[str, object]] = {
        "dtype unknown": {"dtype": "OBJECT"},
        "dtype number": {"dtype": 7},
        "dtype pickle": {"dtype": "O8"},
        "8 bit": {"dtype": "F8_E4M3", "shape": [8]},
        "shape negative": {"shape": [-2]},
        "shape huge": {"shape": [2**62, 4]},
        "shape overflow": {"shape": [2**32, 2**32]},
        "shape text": {"shape": "2"},
        "shape nested": {"shape": [[2]]},
        "shape float": {"shape": [2.0]},
        "offsets backwards": {"data_offsets": [8, 0]},
        "offsets negative": {"data_offsets": [-8, 0]},
        "offsets beyond": {"data_offsets": [0, 16]},
        "offsets far beyond": {"data_offsets": [2**62, 2**62 + 8]},
        "offsets into the header": {"data_offsets": [-20, -12]},
        "offsets of three": {"data_offsets": [0, 8, 8]},
        "a hole": {"data_offsets": [4, 12]},
        "size differs": {"shape": [3]},
    }
    for name, change in changes.items():
        yield name, made({"a": {**good, **change}})
    yield "overlapping", made({"a": good, "b": good})
    yield "no dtype", made({"a": {"shape": [2], "data_offsets": [0, 8]}})
    yield "tensor is a list", made({"a": []})
    yield "metadata not text", made({"__metadata__": {"x": {"y": 1}}, "a": good})
    yield "a name with a path", made({"../../evil": good})
    yield "a name with NUL", made({"a\0b": good})
    yield "more data", made({"a": good}, bytes(64))
    yield "less data", made({"a": good}, bytes(4))
    yield "a pickle", b"\x80\x04cos\nsystem\n(X\x02\x00\x00\x00idtR."
    yield "a zip", b"PK\x03\x04" + bytes(60)


def good_safetensors() -> bytes:
    """A file that is right, to be mutated."""
    return save({"a": np.arange(6, dtype="float32").reshape(2, 3), "权重": np.ones(3, "float16")})


EVIL_NAMES = (
    "../evil", "../../evil", "a/../../evil", "a/b/../../../evil", "/palm-evil", "//palm-evil", "/etc/palm-evil",
    "./../evil", "..", "../", "a/..", "..\\evil", "a\\..\\..\\evil", "C:evil", "C:\\evil", "\\\\host\\evil",
    "..//evil", "a/./../../evil", "\u2024\u2024/../evil", "evil\0/../../x",
)  # fmt: skip


def evil_archives() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of tar and zip files with members that lead outside, links and devices."""
    for name in EVIL_NAMES:
        for kind in ("w", "w:gz", "w:xz"):
            yield f"tar ({kind}) {name!r}", _tar([(tarfile.TarInfo(name), b"evil")], kind)
        yield f"zip {name!r}", _zip(name)
        yield f"zip of Windows {name!r}", _zip(name, system=0)
        folder = tarfile.TarInfo(name)
        folder.type = tarfile.DIRTYPE
        yield f"tar with the folder {name!r}", _tar([(folder, b""), (tarfile.TarInfo(f"{name}/evil"), b"evil")])
    for kind, called in (
        (tarfile.SYMTYPE, "symbolic link"), (tarfile.LNKTYPE, "hard link"), (tarfile.CHRTYPE, "character device"),
        (tarfile.BLKTYPE, "block device"), (tarfile.FIFOTYPE, "pipe"), (tarfile.CONTTYPE, "contiguous file"),
        (tarfile.GNUTYPE_SPARSE, "sparse file"),
    ):  # fmt: skip
        for target in ("/etc", "..", "../../evil", "."):
            link = tarfile.TarInfo("out")
            link.type, link.linkname = kind, target
            yield f"tar with a {called} to {target}", _tar([(link, b""), (tarfile.TarInfo("out/evil"), b"evil")])
    for mode in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK):
        yield f"zip with a file of mode {mode:o}", _zip("out", mode=mode)


def _tar(members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _zip(name: str, *, mode: int = 0, system: int = 3) -> bytes:
    buffer = io.BytesIO()
    info = zipfile.ZipInfo("x")
    info.filename, info.external_attr, info.create_system = name, mode << 16, system
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def mutated(content: bytes, chance: Random) -> bytes:
    """`content` with a few bytes flipped, cut out, repeated or put in."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(changed) + 1)
        kind = chance.randrange(5)
        if kind == 0 and changed:
            changed[place % len(changed)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[place : place + chance.randint(1, 16)] = b""
        elif kind == 2:
            changed[place:place] = chance.randbytes(chance.randint(1, 8))
        elif kind == 3:
            changed[place:place] = changed[place : place + 32]
        else:
            changed[place:place] = chance.choice((b"\0", b"\xff\xff", b"{", b"[", b'"', b"\n", b"\xef\xbb\xbf", b".."))
    return bytes(changed)


def reseal(folder: Path) -> None:
    """Write a manifest that vouches for whatever is in `folder`, as anybody can who has read how PALM does it."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    files = sorted(file for file in folder.iterdir() if file.name != "manifest.json")
    manifest["files"] = {
        file.name: {"size": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        for file in files
    }
    seal_manifest(folder, manifest)


def seal_manifest(folder: Path, manifest: dict[str, object]) -> None:
    """Write `manifest` under a seal of its own."""
    content = {key: value for key, value in manifest.items() if key != "seal"}
    seal = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({**content, "seal": seal}, indent=1) + "\n", encoding="utf-8")


NONSENSE: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 3, 99, 10**6, 2**31 - 1, 2**70, 0.5, -2.5, 1e300, float("nan"), float("inf"), "", "x",
    "1", "x" * 5000, "\0", "\ud800", "../../evil", [], [1], [None], ["x"], ["x", "x"], [[1]], {}, {"x": 1},
)  # fmt: skip
"""Values of every type, to be put where others are expected."""


def altered(content: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every way to put one of `NONSENSE` in the place of a part of a JSON value, or to leave a member out."""
    yield from ((f"{path} = {json.dumps(value):.40}", value) for value in NONSENSE if repr(value) != repr(content))
    if isinstance(content, dict):
        yield from ((f"{path}.{key} left out", _with(content, key)) for key in content)
    places = content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for place in places:
        for name, changed in altered(content[place], f"{path}.{place}"):  # type: ignore[index]
            yield name, _with(content, place, changed)


def _with(content: object, place: object, *value: object) -> object:
    """A copy of a list or dictionary with another value at `place`, or none."""
    if isinstance(content, list):
        number = int(str(place))
        return [*content[:number], *value, *content[number + 1 :]]
    pairs = dict(content.items() if isinstance(content, dict) else ())
    return {**pairs, place: value[0]} if value else {key: kept for key, kept in pairs.items() if key != place}
