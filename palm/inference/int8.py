"""Whether 8-bit integers are good enough for an exported model: measured on its dev rows, and kept in its folder.

They change answers a little. So `precision: int8` needs a measurement of the main metric, and `auto` takes int8 only
where the drop is small and predictions were faster.
"""

import json
import math
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from palm.errors import CheckpointError, ConfigError, Problem
from palm.kernels.fused.encoder_call import kernels_here
from palm.kernels.fused.library import load_kernels
from palm.metric.base import lower_is_better
from palm.schema.fields import Precision
from palm.schema.saved_model import holds_run, read_json_object
from palm.storage.atomic_directory import os_errors_as, recorded_sha256
from palm.storage.layout import PALM_VERSION, WEIGHTS_FILE, int8_file

FORMAT_VERSION = 1
_FASTER = 1.05
"""How many times faster int8 must have been before `auto` takes it: less may be chance."""
_HOW = "`palm eval CONFIG TASK --precision int8` measures it"


class Int8Measurement(BaseModel):
    """The main metric of a model in float32 and in int8, and how long both took.

    Attributes:
        format_version: Version of the file.
        palm_version: PALM that measured.
        weights: sha256 of the weights that were measured.
        kernels: Instruction set of the kernels: `amx` or `vnni`.
        data: The data with gold labels.
        rows: Its number of records.
        metric: The main metric.
        float32: Its value in float32.
        int8: Its value in int8.
        seconds: Duration of the whole data, for each precision.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    format_version: int = Field(FORMAT_VERSION, ge=1, le=FORMAT_VERSION)
    palm_version: str = PALM_VERSION
    weights: str
    kernels: str
    data: str
    rows: int = Field(ge=1)
    metric: str
    float32: float
    int8: float
    seconds: dict[str, float]

    @property
    def drop(self) -> float:
        """By how many points (hundredths) int8 is worse; negative where it is better."""
        return points_lost(self.metric, self.float32, self.int8)

    @property
    def is_faster(self) -> bool:
        """Whether int8 was faster than every other precision that was measured."""
        others = [seconds for name, seconds in self.seconds.items() if name != "int8"]
        return bool(others) and self.seconds.get("int8", math.inf) * _FASTER <= min(others)

    def __str__(self) -> str:
        return f"{both_values(self.metric, self.float32, self.int8)} ({self.rows} rows of {self.data})"


def points_lost(metric: str, float32: float, int8: float) -> float:
    """By how many points (hundredths) the value in int8 is worse; negative where it is better."""
    return 100 * (int8 - float32 if lower_is_better(metric) else float32 - int8)


def both_values(metric: str, float32: float, int8: float) -> str:
    """The values of a metric in words, in points."""
    return f"{metric} {100 * float32:.2f} in float32, {100 * int8:.2f} in int8"


def measurement_file(folder: Path, task: str | None = None) -> Path:
    """The measurement of the model in `folder`; that of `task` if it is a model of a run."""
    return folder / int8_file(task if holds_run(folder) else None)


def write_measurement(measurement: Int8Measurement, file: Path) -> None:
    """Write the measurement of a model to `file`, in one step.

    Raises:
        CheckpointError: It cannot be written.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    content = {**measurement.model_dump(), "drop": round(measurement.drop, 6)}  # the latter for people who read it
    with os_errors_as(file, "--model"):
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, file)


def read_measurement(file: Path) -> Int8Measurement | None:
    """The measurement in a model's folder; None if there is none of its present weights.

    Raises:
        CheckpointError: The file is damaged, or of a later version.
    """
    if not file.is_file():
        return None
    try:
        found = Int8Measurement.model_validate(read_json_object(file))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        rule = f"`{place}`: {first['msg'].removeprefix('Input ')}."
        raise CheckpointError(f"{file}: {rule} Measure again ({_HOW}), or remove the file.") from error
    return found if found.weights == recorded_sha256(file.parent, WEIGHTS_FILE) else None


def level_here() -> str:
    """Instruction set of the kernels of this machine.

    Raises:
        ConfigError: They do not compute in int8.
    """
    if "int8" not in kernels_here():
        rule = "int8 needs the fused kernels and a CPU with AVX512-VNNI or AMX-INT8; elsewhere it is not faster."
        raise ConfigError(Problem("precision", f"{rule} This machine has none (`palm doctor`). Use `auto`."))
    return load_kernels().level


def check_int8(file: Path, *, max_drop: float, allow_unmeasured: bool) -> str:
    """Check that a model may predict in int8, which it is asked to; the measurement in words.

    Args:
        file: Its measurement, from `measurement_file`.
        max_drop: The largest drop of the main metric, in points.
        allow_unmeasured: Whether it may also do so without a measurement.

    Raises:
        ConfigError: It may not, or this machine does not compute in int8.
        CheckpointError: The measurement is damaged.
    """
    level_here()
    found = read_measurement(file)
    if found is None:
        if allow_unmeasured:
            return "what it changes was not measured"
        rule = "int8 changes answers a little: it needs a measurement of the main metric on dev rows."
        where = f"Found none of these weights in {file}"
        advice = f"{_HOW}; `allow_unmeasured: true` (--allow_unmeasured) goes without."
        raise ConfigError(Problem("precision", f"{rule} {where}. {advice}"))
    if not found.drop <= max_drop:
        rule = f"int8 may cost {max_drop:g} points of the main metric (max_drop)."
        advice = "Use `auto`, `float32` or `bf16`, or raise max_drop."
        raise ConfigError(Problem("precision", f"{rule} Found a drop of {found.drop:.2f}: {found}. {advice}"))
    return str(found)


def int8_use(wanted: Precision, file: Path, *, max_drop: float, allow_unmeasured: bool) -> str | None:
    """The measurement in words if a model predicts in int8, as `check_int8` or `int8_pays` decide; else None."""
    if wanted == "int8":
        return check_int8(file, max_drop=max_drop, allow_unmeasured=allow_unmeasured)
    return int8_pays(file, max_drop=max_drop) if wanted == "auto" else None


def int8_pays(file: Path, *, max_drop: float) -> str | None:
    """The measurement in words if a model should predict in int8 on this machine without being asked to; else None."""
    if "int8" not in kernels_here():
        return None
    found = read_measurement(file)
    if found is None or found.kernels != load_kernels().level:
        return None
    return str(found) if found.drop <= max_drop and found.is_faster else None
