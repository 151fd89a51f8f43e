"""Writes the section of several processes in benchmarks/RESULTS.md from benchmarks/results/scale.json."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- scale: begin -->\n", "<!-- scale: end -->\n"
_BUSY = "Other programs ran on the same cores, so times are upper limits; differences do not depend on it."

Part = Mapping[str, Any]


def write_report(results: Mapping[str, Part], file: Path) -> None:
    """Replace the section, or add it at the end."""
    section = BEGIN + "\n".join(lines(results)) + "\n" + END
    text = file.read_text(encoding="utf-8")
    if BEGIN in text:
        before, _, rest = text.partition(BEGIN)
        text = before + section + rest.partition(END)[2]
    else:
        text = text.rstrip("\n") + "\n\n" + section
    file.write_text(text, encoding="utf-8")


def lines(results: Mapping[str, Part]) -> Iterator[str]:
    """The lines of the section."""
    yield from ("## Several processes", "")
    if "equality" in results:
        yield from _equality(results["equality"], results.get("random"))
    if "resume" in results:
        yield from _resume(results["resume"])
    if "speed" in results:
        yield from _speed(results["speed"])
    if "model" in results:
        yield from _model(results["model"])


def _facts(part: Part) -> str:
    return f"{part['date']}; {part['cpu']}, {part['instructions']}; Python {part['python']}, Paddle {_paddle(part)}."


def _paddle(part: Part) -> str:
    return next((str(part[name]) for name in ("paddlepaddle", "paddle", "Paddle") if name in part), "unknown")


def _equality(part: Part, random: Part | None) -> Iterator[str]:
    yield f"`python -m benchmarks.scale equality`. {_facts(part)} {_BUSY}"
    yield ""
    yield "Two processes (gloo) with `batch_size: b` against one with `2 * b`, a two-layer encoder with"
    yield "dropout: the largest differences of any loss (relative above 1) and of any parameter at the end"
    yield "(`adam_epsilon: 1e-3`, so that Adam does not amplify what is zero but for rounding). Order of the"
    yield "batches, step counts, files and the metrics of an evaluation by both are equal, and both processes"
    yield "have the same bits."
    yield ""
    yield "| case | records | loss | parameter | equal |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for row in part["rows"]:
        equal = row["problem"] or "yes"
        yield f"| {row['name']} | {row['steps']} | {row['loss']:.1e} | {row['parameter']:.1e} | {equal} |"
    yield ""
    if random is not None:
        unequal = ", ".join(random["unequal"]) or "none"
        yield f"{random['valid']} valid random configurations (`--count N --seed {random['seed']}`):"
        yield "largest difference of a loss"
        yield f"{random['loss']:.1e}, of a parameter {random['parameter']:.1e}; not equal within 1e-5: {unequal}."
        yield ""


def _resume(part: Part) -> Iterator[str]:
    yield f"`python -m benchmarks.scale resume`. {part['date']}. Two processes, SIGTERM to the second"
    yield "one in its fifth step: both stop after"
    yield "the same step with a checkpoint, which 1, 2 and 4 processes continue. Differences from the run"
    yield "that was left alone:"
    yield ""
    yield "| run | continued by | loss | parameter | bits |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for row in part["rows"]:
        bits = row["problem"] or ("same" if row["bits"] else "")
        yield f"| {row['name']} | {row['count']} | {row['loss']:.1e} | {row['parameter']:.1e} | {bits} |"
    yield ""


def _speed(part: Part) -> Iterator[str]:
    yield f"`python -m benchmarks.scale speed`. {_facts(part)} {_BUSY}"
    yield ""
    yield "The same total of threads; what two processes exchange goes through the memory of one machine."
    yield ""
    yield "| encoder | processes | examples/s | step, ms | of it exchange, ms | MB per step | model, MB |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in part["rows"]:
        cells = [row["size"], row["processes"], f"{row['examples_per_second']:.1f}", f"{row['step'] * 1e3:.0f}"]
        cells += [f"{row['exchange'] * 1e3:.0f}", f"{row['bytes'] / 1e6:.1f}", f"{row['model'] / 1e6:.1f}"]
        yield f"| {' | '.join(map(str, cells))} |"
    yield ""


def _model(part: Part) -> Iterator[str]:
    yield "`python -m benchmarks.scale model`. **A model, not a measurement**: nothing of it was run on a"
    yield "GPU. Message sizes are those"
    yield "measured above; computation is 6 operations per parameter and token at an assumed 60 TFLOP/s,"
    yield "32 rows of 128 tokens per GPU;"
    yield "a sum is that of a ring, with nothing overlapped."
    yield ""
    counts = sorted({row["processes"] for row in part["rows"]})
    yield f"| times the examples/s of one GPU | {' | '.join(f'{count} GPUs' for count in counts)} |"
    yield f"| --- |{' ---: |' * len(counts)}"
    yield from _modelled(part["rows"])
    yield ""
    yield "![Modelled speed on many GPUs](figures/scale_model.svg)"


def _modelled(rows: Sequence[Part]) -> Iterator[str]:
    for size, link in dict.fromkeys((row["size"], row["link"]) for row in rows):
        own = [row for row in rows if (row["size"], row["link"]) == (size, link)]
        speeds = " | ".join(f"{row['speed']:.1f}" for row in own)
        yield f"| {size}, {link} | {speeds} |"
