"""Malicious weights and archives: `python -m benchmarks.faults.foreign [--mutations 20000]`."""

import argparse
import pickle
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np

from palm.downloader.unpack import unpack
from palm.errors import CheckpointError, DownloadError
from palm.pretrained.paddle1x import read_archive
from palm.pretrained.pdparams import read_pdparams
from palm.pretrained.safetensors_files import read_safetensors
from tests.attacks import Watched, crafted_safetensors, evil_archives, good_safetensors, malicious_pickles, mutated

Attack = tuple[str, Callable[[Path, Path], object], Iterator[tuple[str, bytes]]]


def attacks(trace: Path, mutations: int, chance: Random) -> Iterator[Attack]:
    """Kind, reader, and the files to test it with."""
    pickles, headers = list(malicious_pickles(trace)), list(crafted_safetensors())
    archives = list(evil_archives())
    weights = pickle.dumps({"w": np.ones((2, 3)), "b": ("b", np.ones(2, "float16"))})

    def mutate(sources: list[bytes]) -> Iterator[tuple[str, bytes]]:
        return (("mutated", mutated(chance.choice(sources), chance)) for _ in range(mutations // 4))

    yield "pickles", lambda file, home: read_pdparams(file), iter(pickles)
    yield "safetensors headers", lambda file, home: read_safetensors(file), iter(headers)
    yield "archives", lambda file, home: unpack(file, home), iter(archives)
    yield "archives of variables", lambda file, home: read_archive(file), iter(archives)
    sources = [weights, *(content for _, content in pickles)]
    yield "mutated pickles", lambda file, home: read_pdparams(file), mutate(sources)
    yield "mutated safetensors", lambda file, home: read_safetensors(file), mutate([good_safetensors()])
    sources = [content for _, content in archives]
    yield "mutated archives", lambda file, home: unpack(file, home), mutate(sources)
    yield "mutated archives of variables", lambda file, home: read_archive(file), mutate(sources)


def main() -> int:
    """Print the outcomes of each kind; 1 if code ran, a file got out, or an outcome was not a refusal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began, bad = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        (root / "warm").write_bytes(pickle.dumps({"w": np.ones(2)}))
        read_pdparams(root / "warm")  # imports of the readers, before tracing
        for coding in ("cp437", "raw_unicode_escape", "ascii", "latin1"):  # of names in zip files, of text in pickles
            "warm".encode(coding)
        with suppress(CheckpointError):
            read_archive(root / "warm")
        for kind, read, files in attacks(root / "trace", options.mutations, Random(options.seed)):
            found = Counter(attack(read, root, content) for _, content in files)
            bad += found.total() - found["refused"] - found["read"]
            print(f"{kind}: {found.total()} files, {dict(found)}", flush=True)
        outside = {path.name for path in root.iterdir()} - {"warm", "file", "home"}
        bad += len(outside)
    print(f"executions, writes and other surprises: {bad}; files outside: {sorted(outside)}")
    print(f"{time.monotonic() - began:.0f} s")
    return int(bad > 0)


def attack(read: Callable[[Path, Path], object], root: Path, content: bytes) -> str:
    """The outcome of one file: `refused`, `read`, or an unexpected one."""
    file, home = root / "file", root / "home" / str(time.monotonic_ns())
    file.write_bytes(content)
    home.mkdir(parents=True)
    archive = "unpack" in read.__code__.co_names
    with Watched() as events:
        try:
            read(file, home)
            end = "read"
        except (CheckpointError, DownloadError):
            end = "refused"
        except BaseException as error:
            end = f"{type(error).__name__}: {error}"
    ran = [event for event in events if not (archive and event.startswith("open"))]
    shutil.rmtree(root / "home")
    return f"ran {ran[0]}" if ran else end


if __name__ == "__main__":
    sys.exit(main())
