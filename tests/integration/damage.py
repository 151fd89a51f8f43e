"""What may happen to a checkpoint on a disk; used by tests and by `benchmarks/faults`."""

import shutil
from pathlib import Path
from random import Random

DAMAGES = ("flipped bit", "truncated", "longer", "missing", "swapped", "of another step", "no manifest", "empty")


def damage(kind: str, folder: Path, other: Path, chance: Random) -> str:
    """Harm one file of `folder`, which `chance` picks; `other` is a checkpoint of another step. Says what was done."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    file = folder / "manifest.json" if kind == "no manifest" else chance.choice(files)
    content = bytearray(file.read_bytes())
    if kind == "flipped bit":
        place = chance.randrange(len(content))
        content[place] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
    elif kind == "truncated":
        file.write_bytes(content[: chance.randrange(len(content))])
    elif kind == "longer":
        file.write_bytes(content + chance.randbytes(chance.randint(1, 100)))
    elif kind in ("missing", "no manifest"):
        file.unlink()
    elif kind == "swapped":
        second = chance.choice([path for path in files if path != file and path.read_bytes() != content])
        file.write_bytes(second.read_bytes())
        second.write_bytes(content)
    elif kind == "of another step":
        differing = [path for path in files if path.read_bytes() != (other / path.name).read_bytes()]
        file = chance.choice(differing)
        shutil.copyfile(other / file.name, file)
    else:
        file.write_bytes(b"")
    return f"{file.name} {kind}"
