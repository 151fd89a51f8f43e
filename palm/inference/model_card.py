"""The model card of an exported model: README.md as Hugging Face writes and reads it, a pure function of facts.

Front matter: https://huggingface.co/docs/hub/model-cards#model-card-metadata. Sections: those of the template of
huggingface_hub, whose marker `[More Information Needed]` stands where the publisher has to write.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from palm.schema.licence import EncoderTerms

MODEL_CARD_FILE = "README.md"
TO_FILL_IN = "[More Information Needed]"
"""The marker of Hugging Face's template for what is left to write."""

_MOST_LABELS = 60
_CALIBRATION = "## Calibration"
_ABOUT_CALIBRATION = (
    "Scores are divided by a temperature before they become probabilities (Guo et al., 2017); answers stay the same."
)
_SHOWN_OF_HASH = 16
_HUB_ID = re.compile(r"(?P<model>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{7,64})")
# Control and format characters, such as those that reverse the direction of text, are shown as escapes.
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_ABSOLUTE = re.compile(r"(?P<option>--[\w.-]+=)?(?:/|~|[A-Za-z]:[\\/]|\\\\).*[\\/](?P<name>[^\\/]+)[\\/]?")


@dataclass(frozen=True)
class CardData:
    """Rows that a task was trained or evaluated on.

    Attributes:
        part: `train` or `dev`.
        examples: Number of examples.
        sha256: Fingerprint of the examples as the model sees them, in their order; None if unknown.
    """

    part: str
    examples: int
    sha256: str | None = None


@dataclass(frozen=True)
class CardTask:
    """One head of the model.

    Attributes:
        name: The task's name.
        paradigm: The registered name of its paradigm.
        pipeline: The task's name on Hugging Face's hub, such as `text-classification`; None if it has none.
        columns: The columns of a row to predict.
        labels: Names of its labels, by id; None if it has none.
        data: What it was trained and evaluated on, as far as known.
        metrics: Values on its dev rows, by name.
        calibration: What is known of the temperature of its probabilities, in words; None without one.
    """

    name: str
    paradigm: str
    pipeline: str | None = None
    columns: Sequence[str] = ("text_a",)
    labels: Sequence[str] | None = None
    data: Sequence[CardData] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    calibration: str | None = None


@dataclass(frozen=True)
class CardFacts:
    """What a model card tells.

    Attributes:
        title: Name of the model.
        tasks: Its heads.
        backbone: The registered name of its encoder's architecture.
        encoder: The pre-trained encoder, `owner/model@commit`, another name or a folder; None if it started from none.
        terms: Licence and languages of the encoder, as far as its folder states them.
        global_step: The step of the run whose weights these are; None if unknown.
        precision: What it was trained in: `float32` or `bf16`.
        command: The command that trained it, word by word; empty if a program did.
        versions: Versions by name: PALM, Paddle, Python.
        notes: Further lines on where the model comes from, such as the models that it was merged from.
    """

    title: str
    tasks: Sequence[CardTask]
    backbone: str
    encoder: str | None = None
    terms: EncoderTerms = field(default_factory=EncoderTerms)
    global_step: int | None = None
    precision: str = "float32"
    command: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def model_card(facts: CardFacts) -> str:
    """README.md of a model: YAML front matter, then Markdown. Names and labels of users are shown as code."""
    sections = [
        f"# {_as_text(facts.title)}",
        _summary(facts),
        "## Model Details",
        "\n".join(_details(facts)),
        "## Uses",
        f"### Direct Use\n\n{TO_FILL_IN}\n\n### Out-of-Scope Use\n\n{TO_FILL_IN}",
        "## Bias, Risks, and Limitations",
        TO_FILL_IN,
        "## How to Get Started with the Model",
        _usage(facts.tasks),
        "## Tasks and Training Data",
        *map(_task, facts.tasks),
        "## Training Procedure",
        "\n".join(_procedure(facts)),
        "## Evaluation",
        _evaluation(facts.tasks),
    ]
    card = f"---\n{_front_matter(facts)}---\n\n" + "\n\n".join(sections) + "\n"
    return with_calibration(card, {task.name: task.calibration for task in facts.tasks if task.calibration})


def with_calibration(card: str, calibrations: Mapping[str, str]) -> str:
    """A model card whose last section says which temperature the probabilities of each task have; none without any."""
    kept = card.partition(f"\n{_CALIBRATION}\n")[0].rstrip("\n") + "\n"
    if not calibrations:
        return kept
    lines = "\n".join(f"- {_as_code(task)}: {_as_text(text)}" for task, text in calibrations.items())
    return f"{kept}\n{_CALIBRATION}\n\n{_ABOUT_CALIBRATION}\n\n{lines}\n"


def _front_matter(facts: CardFacts) -> str:
    pipelines = list(dict.fromkeys(task.pipeline for task in facts.tasks if task.pipeline))
    base = _HUB_ID.fullmatch(facts.encoder or "")
    metadata: dict[str, object] = {
        **facts.terms.front_matter(),
        "library_name": "palm",
        "tags": ["palm", facts.backbone, *(["multi-task-learning"] if len(facts.tasks) > 1 else []), *pipelines],
    }
    if pipelines:
        metadata["pipeline_tag"] = pipelines[0]
    if base:
        metadata["base_model"] = base["model"]
    results = [_results(task) for task in facts.tasks if task.metrics]
    if results:
        metadata["model-index"] = [{"name": facts.title, "results": results}]
    return yaml.safe_dump(_visible_everywhere(metadata), allow_unicode=True, sort_keys=False, width=float("inf"))


def _results(task: CardTask) -> dict[str, object]:
    """Dev metrics in the form of https://github.com/paperswithcode/model-index."""
    return {
        "task": {"type": task.pipeline or task.paradigm, "name": task.name},
        "dataset": {"type": task.name, "name": f"dev rows of {task.name}", "split": "validation"},
        "metrics": [{"type": metric, "name": metric, "value": value} for metric, value in task.metrics.items()],
    }


def _summary(facts: CardFacts) -> str:
    heads = "One head" if len(facts.tasks) == 1 else f"{len(facts.tasks)} heads"
    over = "on one encoder" if len(facts.tasks) == 1 else "over one shared encoder"
    return f"{heads} {over}, trained with PALM: {', '.join(_as_code(task.name) for task in facts.tasks)}."


def _details(facts: CardFacts) -> Iterator[str]:
    yield f"- **Developed by:** {TO_FILL_IN}"
    yield f"- **Architecture:** {_as_code(facts.backbone)}"
    yield f"- **Pre-trained encoder:** {_encoder(facts.encoder)}"
    yield f"- **Licence of the encoder:** {_licence(facts)}"
    yield f"- **Licence of this model:** {TO_FILL_IN}"
    languages = ", ".join(map(_as_code, facts.terms.languages))
    yield f"- **Language of the encoder:** {languages or TO_FILL_IN}"
    yield from (f"- {_as_text(note)}" for note in facts.notes)


def _encoder(name: str | None) -> str:
    if name is None:
        return "not recorded; started from random weights, or from weights named by a path"
    base = _HUB_ID.fullmatch(name)
    if base:
        link = f"https://huggingface.co/{base['model']}/tree/{base['commit']}"
        return f"[{base['model']}]({link}) at commit {_as_code(base['commit'])}"
    return _as_code(_without_folders(name))


def _licence(facts: CardFacts) -> str:
    terms = facts.terms
    if terms.licence is None:
        return f"{TO_FILL_IN} (its folder states none)" if facts.encoder else "none known"
    named = _as_code(terms.name or terms.licence)
    return f"{named}, as stated in its {_as_code(terms.source)}"


def _usage(tasks: Sequence[CardTask]) -> str:
    example = tasks[0] if tasks else CardTask("task", "")
    row = {column: "…" for column in example.columns}
    code = [
        "import palm",
        "",
        'model = palm.load("path/of/this/folder")',
        f"rows = [{json.dumps(row, ensure_ascii=False)}]",
        f"predictions = model.predict(rows, tasks=[{_quoted(example.name)}])",
    ]
    text = "One pass of the encoder serves all tasks that read the same text; without `tasks`, every head predicts."
    return _fenced("\n".join(code), "python") + (f"\n\n{text}" if len(tasks) > 1 else "")


def _task(task: CardTask) -> str:
    lines = [f"- **Paradigm:** {_as_code(task.paradigm)}" + (f" ({task.pipeline})" if task.pipeline else "")]
    lines.append(f"- **Reads:** {', '.join(map(_as_code, task.columns))}")
    if task.labels is not None:
        lines.append(f"- **Labels ({len(task.labels)}):** {_listed(task.labels)}")
    lines += [f"- **{_part(data)}:** {_rows(data)}" for data in task.data]
    lines += [] if task.data else [f"- **Training data:** {TO_FILL_IN}"]
    return f"### {_as_code(task.name)}\n\n" + "\n".join(lines)


def _part(data: CardData) -> str:
    return {"train": "Training data", "dev": "Dev data"}.get(data.part, f"{data.part.capitalize()} data")


def _rows(data: CardData) -> str:
    digest = f", sha256 of the encoded rows `{data.sha256[:_SHOWN_OF_HASH]}…`" if data.sha256 else ""
    return f"{data.examples:,} {'example' if data.examples == 1 else 'examples'}{digest}"


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(map(_as_code, labels[:_MOST_LABELS]))
    more = len(labels) - _MOST_LABELS
    return f"{shown} and {more} more, in `config.json`" if more > 0 else shown


def _procedure(facts: CardFacts) -> Iterator[str]:
    if facts.command:
        command = shlex.join(map(_shown_word, facts.command))
        yield "Command, in which absolute paths are shortened to their last part:\n\n" + _fenced(command, "bash") + "\n"
    if facts.global_step is not None:
        yield f"- **Global step:** {facts.global_step:,}"
    yield f"- **Precision:** {facts.precision}"
    if facts.versions:
        listed = ", ".join(f"{name} {_as_code(version)}" for name, version in facts.versions.items())
        yield f"- **Versions:** {listed}"


def _evaluation(tasks: Sequence[CardTask]) -> str:
    rows = [
        f"| {_in_cell(_as_code(task.name))} | {_in_cell(_as_code(metric))} | {value:.4f} |"
        for task in tasks
        for metric, value in task.metrics.items()
    ]
    without = [_as_code(task.name) for task in tasks if not task.metrics]
    table = ["| task | metric on dev rows | value |", "|---|---|---|", *rows] if rows else []
    missing = [f"Without metrics on dev rows: {', '.join(without)}. {TO_FILL_IN}"] if without else []
    return "\n\n".join(["\n".join(table)] * bool(table) + missing)


def _shown_word(word: str) -> str:
    """A word of the command without folders of the machine on which it ran, and on one line."""
    found = _ABSOLUTE.fullmatch(word)
    return _visible(f"{found['option'] or ''}{found['name']}" if found else word)


def _without_folders(name: str) -> str:
    found = _ABSOLUTE.fullmatch(name)
    return found["name"] if found else name


def _visible(text: str) -> str:
    """`text` on one line, with what cannot be seen as its escape in JSON."""
    return _INVISIBLE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _visible_everywhere(value: object) -> object:
    """`value` with each text on one line: no line of a text can end the front matter."""
    if isinstance(value, dict):
        return {key: _visible_everywhere(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_visible_everywhere(each) for each in value]
    return _visible(value) if isinstance(value, str) else value


def _quoted(text: str) -> str:
    """A literal of Python, as readable as it can be on one line."""
    return json.dumps(text, ensure_ascii=_visible(text) != text)


def _as_code(text: str) -> str:
    """A code span, in which nothing is markup: CommonMark 6.1. Blanks at the ends are kept by quotes."""
    shown = _visible(text)
    if not shown.strip() or shown != shown.strip():
        shown = json.dumps(shown, ensure_ascii=False)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    blank = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{'`' * (longest + 1)}{blank}{shown}{blank}{'`' * (longest + 1)}"


def _as_text(text: str) -> str:
    """Text with every character of markup escaped."""
    return re.sub(r"([\\`*_{}\[\]<>()#|~&!$:@])", r"\\\1", _visible(text)).replace("www.", r"www\.")


def _in_cell(code: str) -> str:
    """In a table `|` ends a cell, in code spans as well, unless it is escaped."""
    return code.replace("|", r"\|")


def _fenced(code: str, language: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", code)), default=0))
    return f"{fence}{language}\n{code}\n{fence}"
