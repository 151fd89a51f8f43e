"""Opens tables that pyarrow, datasets or openpyxl read: parquet, arrow, hub data sets, workbooks."""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

from palm.data.dataset import GivenRow
from palm.errors import DataError, Problem
from palm.reader.formats.files import quoted
from palm.reader.formats.notes import add_note
from palm.reader.formats.row_table import HUB_MARK, RowTable, needs_extra, rows_in_blocks

_BLOCK = 1000  # rows
_HUB_NAME = re.compile(r"hf://(\w[\w.-]*)(?:/(\w[\w.-]*))?(?:/(\w[\w.-]*))?:(.+)")
_ADVICE_ON_HUB = "Check the name and the connection; with HF_HUB_OFFLINE=1 only what was loaded before is there."
_FORM_OF_NAMES = "hf://name[/config]:split, such as hf://nyu-mll/glue/sst2:train"


def open_columnar(file: Path, *, sheet: str | None, has_header: bool) -> RowTable | None:
    """The table of a parquet or arrow file, a folder of `Dataset.save_to_disk`, or a workbook; None for other files.

    Raises:
        DataError: It cannot be read, or a package is missing.
    """
    openers: dict[str, tuple[str, Callable[[], RowTable]]] = {
        ".parquet": ("parquet files", partial(_open_parquet, file)),
        ".arrow": ("arrow files", partial(_open_arrow, file)),
        ".xlsx": ("workbooks", partial(_open_workbook, file, sheet=sheet, has_header=has_header)),
    }
    if file.is_dir():
        return _opened(file, "data sets on disk", partial(_open_folder, file)) if is_saved_dataset(file) else None
    if file.suffix.lower() not in openers or not file.is_file():
        return None
    kind, opener = openers[file.suffix.lower()]
    return _opened(file, kind, opener)


def open_hub(name: str) -> RowTable:
    """The split of a hub data set, `hf://name[/config]:split`, through the cache of `datasets`.

    Raises:
        DataError: The name has another form, there is no such data set, or a package is missing.
    """
    found = _HUB_NAME.fullmatch(name)
    if found is None:
        raise DataError(Problem(name, f"a hub data set is named {_FORM_OF_NAMES}. Correct the name."))
    return _opened(name, "hub data sets", partial(_open_hub, name, *found.groups()))


def table_of(dataset: Any, source: Path | str) -> RowTable:  # noqa: ANN401 (datasets has no types)
    """The table of a `datasets.Dataset`."""
    plain = dataset.with_format(None)
    return RowTable(
        source,
        lambda: rows_in_blocks(plain.iter(batch_size=_BLOCK)),
        len(plain),
        columns=plain.column_names,
        label_names=_class_names(plain.features),
        fingerprint=plain._fingerprint,
    )


def _opened(source: Path | str, kind: str, opener: Callable[[], RowTable]) -> RowTable:
    """The table, or the reason of the package that could not read it."""
    try:
        return opener()
    except DataError:
        raise
    except ImportError as error:
        raise needs_extra(source, kind, error) from error
    except Exception as error:  # the packages raise what their own parsers met
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        advice = _ADVICE_ON_HUB if isinstance(source, str) else "Correct or replace it."
        raise DataError(Problem(str(source), f"it cannot be read: {reason}. {advice}")) from error


def _open_parquet(file: Path) -> RowTable:
    import pyarrow.parquet

    content = pyarrow.parquet.ParquetFile(file)
    schema = content.schema_arrow

    def rows() -> Iterator[GivenRow]:
        opened = pyarrow.parquet.ParquetFile(file)
        return rows_in_blocks(batch.to_pydict() for batch in opened.iter_batches(_BLOCK))

    return RowTable(file, rows, content.metadata.num_rows, columns=schema.names, label_names=_names_in_schema(schema))


def _names_in_schema(schema: Any) -> dict[str, Sequence[str]]:  # noqa: ANN401 (pyarrow has no types)
    """Names of classes that `datasets` notes in the metadata of files it writes."""
    if b"huggingface" not in (schema.metadata or {}):
        return {}
    import datasets

    return _class_names(datasets.Features.from_arrow_schema(schema))


def _class_names(features: Any) -> dict[str, Sequence[str]]:  # noqa: ANN401 (a user's package)
    inner = {name: getattr(feature, "feature", feature) for name, feature in features.items()}
    inner = {name: feature[0] if isinstance(feature, list) else feature for name, feature in inner.items()}
    return {name: list(feature.names) for name, feature in inner.items() if type(feature).__name__ == "ClassLabel"}


def _open_arrow(file: Path) -> RowTable:
    import datasets

    return table_of(datasets.Dataset.from_file(str(file)), file)


def is_saved_dataset(folder: Path) -> bool:
    """Whether `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote `folder`."""
    return any((folder / name).is_file() for name in ("state.json", "dataset_dict.json"))


def _open_folder(folder: Path) -> RowTable:
    import datasets

    found = datasets.load_from_disk(str(folder))
    if isinstance(found, datasets.DatasetDict):
        splits = ", ".join(f"`{folder / name}`" for name in found)
        rule = "a folder with several splits needs the name of one"
        raise DataError(Problem(str(folder), f"{rule}. Found {splits}. Name one of these folders."))
    return table_of(found, folder)


def _open_hub(name: str, first: str, second: str | None, third: str | None, split: str) -> RowTable:
    import datasets

    repository, config = (f"{first}/{second}", third) if second else (first, None)
    # `glue/sst2` may be a repository of an owner, or the configuration of one without.
    readings = [(repository, config), *([(first, second)] if second and not third else [])]
    failures: list[Exception] = []
    for path, chosen in readings:
        if Path(path).exists():
            rule = f"a hub data set is meant, found a folder `{path}` of that name, which would be read instead"
            raise DataError(Problem(name, f"{rule}. Rename it, or start elsewhere."))
        try:
            # Without scripts: `datasets` runs none from version 4 on. Rows that change are named when a run resumes.
            return table_of(datasets.load_dataset(path, chosen, split=split), name)  # nosec B615
        except (ConnectionError, FileNotFoundError) as error:
            failures.append(error)
    raise failures[0]


def _open_workbook(file: Path, *, sheet: str | None, has_header: bool) -> RowTable:
    """The table of a sheet: one pass finds its extent, others read its rows one by one."""
    first, last, width, header = 0, -1, 0, list[str]()
    for number, row in enumerate(_cells_of(file, sheet, say=True)):
        filled = next((place for place in range(len(row), 0, -1) if row[place - 1]), 0)
        if not filled:
            continue
        if last < 0:
            first, header = number, row
        last, width = number, max(width, filled)
    names = [name.strip() for name in header[:width]] if has_header else [str(place) for place in range(width)]
    start = first + has_header
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        rule = f"a column must occur once in the header row, found {quoted(twice)} twice"
        raise DataError(Problem(f"{file}:{first + 1}", f"{rule}. Rename one."))

    def rows() -> Iterator[GivenRow]:
        for row in islice(_cells_of(file, sheet), start, last + 1):
            yield dict(zip(names, chain(row, repeat("")), strict=False))

    return RowTable(file, rows, max(last + 1 - start, 0), columns=names, first_line=start + 1)


def _cells_of(file: Path, sheet: str | None, *, say: bool = False) -> Iterator[list[str]]:
    """The rows of a sheet as text, read from the file one by one; `say` notes which of several sheets it is."""
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions, which are not read
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    try:
        found = _sheet_of(book, file, sheet, say=say)
        found.reset_dimensions()  # some programs write a smaller extent than the sheet has
        for row in found.iter_rows(values_only=True):
            yield [_cell_text(value) for value in row]
    finally:
        book.close()


def _sheet_of(book: Any, file: Path, sheet: str | None, *, say: bool) -> Any:  # noqa: ANN401 (openpyxl has no types)
    names = list(book.sheetnames)
    if sheet is None:
        if say and len(names) > 1:
            add_note(file, f"of {len(names)} sheets the first is read, {quoted(names[0])}. Set `sheet` for another.")
        return book[names[0]]
    if sheet not in names:
        rule = f"`sheet` must be the name of a sheet, found {quoted(sheet)}"
        raise DataError(Problem(str(file), f"{rule}. Sheets: {', '.join(map(quoted, names))}."))
    return book[sheet]


def _cell_text(value: object) -> str:
    """A cell as the workbook's csv has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, date) else str(value)


def is_hub_name(name: str) -> bool:
    """Whether `name` is that of a hub data set."""
    return name.startswith(HUB_MARK)
