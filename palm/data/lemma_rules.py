"""Lemmas as labels: how the lemma is made of the word, a rule that many words have in common.

A rule first says which characters of the lemma are capitals, then what is cut off the word in lower case and put in its
place at either end; or it is the whole lemma where the two have nothing in common. After UDPipe 2 (Straka, 2018,
section 3.2), whose rules are the same but for their spelling.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import groupby

_UPPER, _LOWER = "↑", "↓"
_PART, _WHOLE = "¦", "="


def lemma_rule(word: str, lemma: str) -> str:
    """The rule that makes `lemma` of `word`: `↓0;0¦¦3¦y` of studies, three characters less at its end, and a y."""
    lower, target = word.lower(), lemma.lower()
    match = SequenceMatcher(None, lower, target, autojunk=False).find_longest_match()
    cut = match.a, len(lower) - match.a - match.size
    put = target[: match.b], target[match.b + match.size :]
    rule = f"{_case_of(lemma)};{cut[0]}{_PART}{put[0]}{_PART}{cut[1]}{_PART}{put[1]}"
    usable = match.size and rule.count(_PART) == len(put) + 1 + _case_of(lemma).count(_PART)
    return rule if usable and apply_rule(word, rule) == lemma else f";{_WHOLE}{lemma}"


def apply_rule(word: str, rule: str) -> str:
    """The lemma that `rule` makes of `word`; the word itself where it is too short for the rule."""
    case, _, edit = rule.partition(";")
    if edit.startswith(_WHOLE):
        return edit.removeprefix(_WHOLE)
    front, prefix, back, suffix = edit.split(_PART)
    lower = word.lower()
    if int(front) + int(back) > len(lower):
        return word
    return _with_case(f"{prefix}{lower[int(front) : len(lower) - int(back)]}{suffix}", case)


def are_rules(labels: Iterable[str]) -> bool:
    """Whether every label is such a rule, and there is one."""
    listed = list(labels)
    return bool(listed) and all(_is_rule(label) for label in listed)


def _is_rule(label: str) -> bool:
    case, sign, edit = label.partition(";")
    if not sign:
        return False
    if edit.startswith(_WHOLE):
        return not case
    parts = edit.split(_PART)
    runs = [run[:1] in (_UPPER, _LOWER) and run[1:].removeprefix("-").isdecimal() for run in case.split(_PART)]
    return len(parts) == 4 and parts[0].isdecimal() and parts[2].isdecimal() and all(runs)


def _case_of(lemma: str) -> str:
    """Where capitals and other characters begin, from the nearer end: `↑0¦↓1` for Anna, `↑0` for USA."""
    runs, start = [], 0
    for sign, run in groupby(lemma, lambda char: _UPPER if char.lower() != char else _LOWER):
        runs.append(f"{sign}{start if start <= len(lemma) // 2 else start - len(lemma)}")
        start += len(list(run))
    return _PART.join(runs)


def _with_case(lemma: str, case: str) -> str:
    """`lemma` with the capitals that `case` says; a run that begins before the lemma does, begins with it."""
    for run in case.split(_PART):
        place = int(run[1:])
        start = place if place >= 0 else max(len(lemma) + place, 0)
        rest = lemma[start:].upper() if run[0] == _UPPER else lemma[start:].lower()
        lemma = lemma[:start] + rest
    return lemma
