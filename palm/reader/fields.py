"""Keys that the readers of tables (tsv, jsonl) share."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from palm.reader.column_names import ColumnGuess
from palm.registry import did_you_mean
from palm.schema.facts import Key
from palm.schema.fields import ClassCountFields, Names, ReaderFields


def split_mapping(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`"text_a=sentence1, label=gold"` → `{"text_a": "sentence1", "label": "gold"}`; mappings pass."""
    if isinstance(value, str):
        pairs = [item.partition("=") for item in value.split(",") if item.strip()]
        if not all(sign for _, sign, _ in pairs):
            raise ValueError("pairs such as `text_a=sentence1,label=gold` are expected")
        return {name.strip(): column.strip() for name, _, column in pairs}
    if isinstance(value, Mapping):
        return {str(name): str(column) for name, column in value.items()}
    return value


def _character(value: Any) -> Any:  # noqa: ANN401 (whatever YAML gave)
    """`tab` and a backslash with a t are a tab; what cannot separate cells is refused."""
    if isinstance(value, str) and value in ('"', "\\", "\n", "\r"):
        raise ValueError("a character that separates cells is expected, such as `,` or `tab`")
    return "\t" if value in ("tab", "\\t") else value


class KeptFields(ReaderFields):
    """The key of readers whose predictions keep more of a row than its texts."""

    keep_columns: Annotated[Names, Key(changes="nothing", export="no")] = Field(
        default_factory=list,
        description="Further columns (mrc: fields of a question) of a file to predict that predictions keep, such as "
        "`url, date`; `id`, texts and gold labels are kept in any case.",
    )


class TableFields(KeptFields):
    """Keys of readers of tables: one row per example, columns by name."""

    known_columns: ClassVar[tuple[str, ...]]
    known_formats: ClassVar[tuple[str, ...]] = ("auto", "tsv", "csv", "jsonl", "json")
    labels_are_places: ClassVar[bool] = False
    """Whether `label` counts candidates, so that an id of a class is not replaced by the name of the class."""

    guesses: ClassVar[tuple[ColumnGuess, ...]] = ()
    """Names of columns in files that name none of PALM's; those of texts before those of labels."""

    columns: Annotated[dict[str, str], BeforeValidator(split_mapping)] = Field(
        default_factory=dict,
        description="The file's names of PALM's columns: `{text_a: sentence1}` or `text_a=sentence1,label=gold`; or "
        "their positions from 0, `{label: 0, text_a: 1}`, as in CoNLL files. By default PALM's own names, else names "
        "that people use, such as `sentence` or `category`, which is reported.",
    )

    delimiter: Annotated[str | None, BeforeValidator(_character)] = Field(
        None,
        min_length=1,
        max_length=1,
        description="What separates the cells of a csv or tsv file, such as `;`, or `tab`; by default a tab in tsv, "
        "and in csv what fits its header.",
    )
    quoting: Literal["auto", "none", "double", "backslash"] = Field(
        "auto",
        description='Whether cells may stand in quotation marks: `none` (`"` is a character of the text); `double`, as '
        'in csv, where a mark inside a cell is doubled; or `backslash`, where it is `\\"`. `auto` is `double` for csv, '
        "and for tsv `none`, unless only a csv writer can have written the file, which is reported.",
    )

    header: bool = Field(
        True,
        description="Whether the first row of csv, tsv or xlsx names the columns; without, they are numbers from 0: "
        "`header: false` with `columns: {label: 0, text_a: 2}`.",
    )
    sheet: str | None = Field(None, description="Sheet of an xlsx file; by default the first.")
    skip_empty_text: bool = Field(
        False,
        description="Leave out rows of train_file and dev_file without text, and report their number; by default they "
        "are refused.",
    )

    @field_validator("columns")
    @classmethod
    def _check_columns(cls, columns: dict[str, str]) -> dict[str, str]:
        for name in columns:
            if name not in cls.known_columns:
                hint = did_you_mean(name, list(cls.known_columns))
                raise ValueError(
                    f"the columns of this reader are {', '.join(cls.known_columns)}, found `{name}`.{hint}"
                )
        return columns

    @field_validator("file_format")
    @classmethod
    def _check_format(cls, file_format: str) -> str:
        return known_format(file_format, cls.known_formats)

    def column(self, name: str) -> str:
        """The file's name of PALM's column `name`."""
        return self.columns.get(name, name)


class LabelledFields(TableFields, ClassCountFields):
    """Keys of readers of tables with labels."""

    on_missing_label: Literal["error", "leave_out"] = Field(
        "error",
        description="A row of train_file or dev_file with an empty label (in jsonl also null): refuse the file, or "
        "skip the row, for files with labels of several tasks.",
    )
    leave_out_labels: Names = Field(
        default_factory=list,
        description="Labels whose rows are left out of train_file and dev_file, and counted: `-` marks rows without "
        "a label in SNLI and MultiNLI. Of a row with several labels or tags, one is enough.",
    )
    on_unknown_label: Literal["error", "count_as_wrong"] = Field(
        "error",
        description="A label of dev_file that is not in train_file: refuse the file, or count the example as wrong.",
    )


class SpanFileFields(LabelledFields):
    """The key of readers of texts with labelled spans of characters."""

    on_bad_span: Literal["error", "drop"] = Field(
        "error",
        description="A span of characters that is empty, not in its text, or (seq_label) cuts a word or overlaps "
        "another: refuse the file, or leave the span out, counted.",
    )


LABEL_KEYS = ("n_classes", "on_missing_label", "leave_out_labels", "on_unknown_label", "skip_empty_text")
"""Keys of labelled tables that do not matter to rows without gold (see `Reader.gold_keys`)."""


def known_format(file_format: str, known: tuple[str, ...]) -> str:
    """`file_format`, if the reader supports it.

    Raises:
        ValueError: The reader does not support it.
    """
    if file_format not in known:
        raise ValueError(f"this reader takes {', '.join(known)}, found `{file_format}`")
    return file_format
