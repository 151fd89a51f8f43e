"""Words that PALM does not use, and what it says instead: the field's standard words, one idea per sentence."""

import re
from dataclasses import dataclass
from functools import cached_property

_CODE = r"palm/"
_CODE_AND_DOCS = r"palm/|docs/|README|CONTRIBUTING"


@dataclass(frozen=True)
class Word:
    """A word to avoid.

    Attributes:
        name: What reports and counts call it.
        say: What to say instead.
        regex: What is looked for in prose, or in the parts of a name with blanks between them; a blank stands for any
            white space. `name` itself when empty.
        where: The beginnings of the paths that it concerns; all when empty.
        exact: Whether a name must be `name` as it stands, capitals included.
    """

    name: str
    say: str
    regex: str = ""
    where: str = ""
    exact: bool = False

    def applies_to(self, path: str) -> bool:
        """Whether the word is looked for in a file."""
        return re.match(self.where, path) is not None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What finds it."""
        return re.compile(rf"\b(?:{self.regex or self.name})\b".replace(" ", r"\s+"), re.IGNORECASE)


def _exact(name: str, say: str, where: str = _CODE) -> Word:
    return Word(name, say, where=where, exact=True)


NAMES = (
    Word("private parts", "task_adapters"),
    Word("private layers", "task_layers", where=_CODE),
    Word("own parts", "task_modules", where=_CODE),
    Word("figure", "metric, score or number; a figure is a plot", "figures?", _CODE),
    Word("drawn", "initialized; sampled; step batch", r"(?<!skipped\x20)(?:drawn?|draws)", _CODE),
    Word("shares", "sampling_probabilities; probabilities in attention", where=_CODE),
    Word("slots", "optimizer state", where=r"palm/(engine|storage)/"),
    Word("thaw", "unfreeze"),
    Word("idle", "unused", where=_CODE),
    Word("hid", "overridden", where=_CODE),
    Word("gold of", "…_labels", where=_CODE),
    Word("laid together", "merge_batches", where=_CODE),
    Word("disguise", "apply_masks", where=_CODE),
    Word("make room", "evict", where=_CODE),
    Word("to best", "restore_best", where=_CODE),
    Word("cut back", "truncate_metrics", where=_CODE),
    Word("set aside", "archive…", where=_CODE),
    Word("forget stages", "reset_stages", where=_CODE),
    Word("alone in", "exclusive_run_lock", where=_CODE),
    Word("sealed folder", "atomic_directory", where=_CODE),
    Word("roughness", "smart_penalty", where=_CODE),
    Word("divergence", "symmetric_kl", where=_CODE),
    Word("passed over", "skipped_draws", where=_CODE),
    Word("settle classes", "fix_label_ids", where=_CODE),
    Word("word-piece", "token", "word pieces?", _CODE),
    Word("nobody", "the passive voice, or who it is", "nobody|somebody"),
    Word("mend", "fix", "mend(?:s|ed|ing)?"),
    Word("deaf", "ignores"),
    _exact("enter", "the name of what the decorator does"),
    _exact("making", "entry_lock"),
    _exact("sweep", "remove_stale"),
    _exact("writing", "os_errors_as"),
    _exact("Weighed", "WeightingConfig"),
    _exact("Mix", "SamplerConfig"),
    _exact("Judged", "TaskMetrics"),
    _exact("Use", "KeyDependency"),
    _exact("View", "TaskView"),
    _exact("feed", "batches"),
    _exact("beside", "other_tasks", r"palm/(engine|training)/"),
    _exact("places", "row_indices", r"palm/(data|engine|training)/"),
    _exact("apart", "per_task", r"palm/(engine/(?!regularizers)|training/)"),
    _exact("left", "retired_tasks", r"palm/(engine|api)/"),
    _exact("sizes", "backbone_config", r"palm/(?!balancing|sampling|kernels|data|reader|engine/fused|engine/optim)"),
)  # fmt: skip

_EACH = (
    "batch|class|encoder layer|epoch|example|feature|file|group|head|key|layer|line|parameter|pass|record|row|run|"
    "second|seed|split|stage|step|task|token|update|variant|word"
)
_COUNTED = (
    "one|two|batch(?:es)?|bytes|column|element|entry|examples?|factor|file|function|heads?|index|labels?|learning rate|"
    "lines?|loss(?:es)?|[KMG]B|ms|numbers?|pass(?:es)?|position|predictions?|rate|rows?|seconds|spans?|steps?|times|tokens?|"
    "values?|vectors?|weights?"
)

_AFTER = "(?:and|for|in|of|from|or|is|are)"

PROSE = (
    Word("nobody", "the passive voice, or who it is", "nobody|somebody|no one|someone"),
    Word("there is to say", "the messages, or what is reported", "there (?:is|was) (?:nothing )?to say|what to say"),
    Word("is said once", "is reported once", "(?:is|are|was) said(?: once)?|said once"),
    Word("is wanted", "is expected", "(?:is|are|was|were) (?:not )?wanted"),
    Word("cannot be had", "is not available", "(?:can|cannot|could|could not|to) be had"),
    Word("deaf", "ignores"),
    Word("mend", "fix", "mend(?:s|ed|ing)?"),
    Word("told apart", "distinguished", r"(?:told|telling|tells?)(?: \w+){0,4} apart"),
    Word("word-piece", "subword token", "(?!(?-i:WordPiece))word-?pieces?"),  # WordPiece is the algorithm's name
    Word("not run on a GPU here", "a line in the docs", where=_CODE),
    Word(
        "save for except",
        "except",
        r"save for|save that|(?:all|any|every \w+|everything|no \w+|none|nothing|nowhere|one|same), save|"
        r"(?<=,\s)save (?:in|where|when|those|what|the|at|by|on|with)",
    ),
    Word("figure", "metric, score or number; a figure is a plot", r"figures?(?! \d)", _CODE_AND_DOCS),
    Word("drawn", "initialized; sampled", "(?:re)?drawn?|draws|drawing", _CODE_AND_DOCS),
    Word("left for retired", "is no longer trained", "(?:has|have|had) left (?:the mix|it)", _CODE_AND_DOCS),
    Word(
        "shares",
        "sampling probabilities; probabilities in attention; else a fraction",
        r"(?:the|its|their|of|with|whose|new|these|those|same|attention|task's) shares?(?! of (?:time|the time))",
        _CODE,
    ),
    Word("slots", "optimizer state", "slots?", r"palm/(engine|storage)/"),
    Word("thaw", "unfreeze", "thaw(?:s|ed|ing)?"),
    Word("idle", "unused", "idle", r"palm/(config|build|cli|schema)/"),
    Word("in vain", "has no effect"),
    Word("hid", "overridden", "hid|hides"),
    Word("set aside", "archived", r"(?:set|sets|setting) (?:\w+ ){0,3}aside"),
    Word("private parts", "task adapters"),
    Word("whole for valid", "valid", "(?:is|are|be|not|newest) whole(?= ?[.,;:)]| ?$)"),
    Word("a for per", "per", rf"(?:{_COUNTED}) an? (?:{_EACH})(?=\s*(?:[.,;:!?)\]]|$|{_AFTER} ))"),
)  # fmt: skip

# Word and path → why it may stand there: the old name of a public key or file, say.
ALLOWED: dict[tuple[str, str], str] = {
    ("drawn", "palm/balancing/sampling/base.py"): "the key of a random stream",
    ("drawn", "palm/balancing/sampling/mix_ratio.py"): "the key of a random stream",
}
