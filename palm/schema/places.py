"""File lookup: relative to the current directory, then to the folder of the file that names it."""

from pathlib import Path

from palm.errors import ConfigError, Problem


def expanded(value: str | Path) -> Path:
    """`~` expanded to the home folder; unchanged if there is no such user."""
    try:
        return Path(value).expanduser()
    except RuntimeError:
        return Path(value)


def candidates(value: str, folder: Path | None) -> list[Path]:
    """The candidate paths of `value`, in order."""
    path = expanded(value)
    if path.is_absolute() or folder is None or folder.resolve() == Path.cwd():
        return [path]
    return [path, folder / path]


def find_input(value: str, folder: Path | None) -> Path | None:
    """The first of the candidates that exists."""
    return next((place for place in candidates(value, folder) if exists(place)), None)


def not_found(key: str, value: str, folder: Path | None) -> str:
    """Message with all candidate paths."""
    places = " and at ".join(f"`{place.absolute()}`" for place in candidates(value, folder))
    return f"{key} names an existing file. Found `{value}`, looked for at {places}. Correct the path."


def exists(place: Path) -> bool:
    """Whether `place` exists; False for names that are not valid."""
    try:
        return place.exists()
    except (OSError, ValueError):  # a name too long, a NUL in it
        return False


_POINTER = b"version https://git-lfs.github.com/spec/"


def pointer_problem(file: Path) -> str | None:
    """Why `file` is not the file itself, but the pointer to it that Git LFS keeps in its place; None if it is none."""
    try:
        with file.open("rb") as stream:
            start = stream.read(len(_POINTER))
    except OSError:  # reported where the file is read
        return None
    if start != _POINTER:
        return None
    rule = "the file itself is needed. Found the pointer that Git LFS keeps in its place."
    return f"{rule} Run `git lfs pull` in its repository, or download the file."


def read_text(file: Path, name: str) -> str:
    """The text of `file`, UTF-8 with or without a byte-order mark.

    Raises:
        ConfigError: The file cannot be read, or is not UTF-8.

    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigError(Problem(name, f"a configuration must be a readable file. Found: {error.strerror}.")) from None
    pointer = pointer_problem(file)
    if pointer is not None:
        raise ConfigError(Problem(name, pointer))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        found = "UTF-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else f"byte 0x{raw[error.start]:02x}"
        rule = f"a configuration must be UTF-8 text. Found {found}. Save the file as UTF-8."
        raise ConfigError(Problem(f"{name}:{line}", rule)) from None
