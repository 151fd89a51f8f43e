"""From the model's outputs to predictions. Each function takes a row, its sequences with their outputs, and the task.

What is here does the same as PALM's paradigms, with numpy alone.
"""

import numpy as np
from encode import candidates_of
from trees import tree


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of the last axis."""
    exponents = np.exp(logits.astype("float64") - logits.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of labels that do not exclude each other, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * logits.astype("float64")))


def temperature_of(task: dict) -> float:
    """What scores are divided by before they become probabilities: 1 for a model that was not calibrated."""
    return task.get("temperature", 1.0)


def label_names(task: dict, count: int) -> list[str]:
    """The labels by class, or the classes' numbers where the model has no names."""
    return task["labels"] or [str(number) for number in range(count)]


def one_class(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigms `cls` and `match`."""
    logits = sequences[0]["logits"]
    names = label_names(task, len(logits))
    probabilities = dict(zip(names, softmax(logits / temperature_of(task)).tolist(), strict=True))
    return {"label": names[int(logits.argmax())], "probs": probabilities, "logits": logits.tolist()}


def several_classes(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `multi_label`."""
    logits = sequences[0]["logits"]
    names = label_names(task, len(logits))
    threshold = task["paradigm_settings"]["label_threshold"]  # of the probability at temperature 1
    chosen = [name for name, p in zip(names, sigmoid(logits).tolist(), strict=True) if p >= threshold]
    probabilities = sigmoid(logits / temperature_of(task)).tolist()
    return {"labels": chosen, "probs": dict(zip(names, probabilities, strict=True)), "logits": logits.tolist()}


def number(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `regression`."""
    return {"value": float(sequences[0]["values"])}


def score(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `pairwise_match`."""
    return {"probs": float(sequences[0]["probs"][0])}


def class_of_embedding(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `embed`: as `cls`, with the vector on request."""
    found = one_class(row, sequences, task)
    if task["paradigm_settings"]["with_embedding"]:
        found["embedding"] = of_unit_length(sequences[0]["embeddings"]).tolist()
    return found


def cosine(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `embed_pairs`: each of the two texts was a sequence."""
    one, other = (of_unit_length(sequence["embeddings"]) for sequence in sequences)
    found = {"value": float((one * other).sum(-1))}
    if task["paradigm_settings"]["with_embedding"]:
        found |= {"embedding_a": one.tolist(), "embedding_b": other.tolist()}
    return found


def of_unit_length(vector: np.ndarray) -> np.ndarray:
    """The vector divided by its length."""
    exact = vector.astype("float64")
    return exact / np.maximum(np.linalg.norm(exact, axis=-1, keepdims=True), 1e-12)


def best_candidate(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `choice`: every candidate was a sequence."""
    logits = np.array([sequence["logits"][0] for sequence in sequences])
    ranking = np.argsort(-logits, kind="stable").tolist()
    chosen = {"label": str(ranking[0]), "choice": candidates_of(row)[ranking[0]], "ranking": ranking}
    return {**chosen, "probs": softmax(logits / temperature_of(task)).tolist(), "logits": logits.tolist()}


def ranked_candidates(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `rank`: as `choice`, with scores that are not compared with gold labels."""
    found = best_candidate(row, sequences, task)
    return {"choice": found["choice"], "ranking": found["ranking"], "scores": found["logits"], "probs": found["probs"]}


def masked_tokens(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `mlm`: the most probable tokens of each [MASK]."""
    [found] = sequences
    masks = [
        {"position": place, "tokens": [task["tokens"][number] for number in ids], "ids": ids, "probs": probabilities}
        for place, ids, probabilities in zip(
            found["masks"], found["top_ids"].tolist(), found["top_probs"].tolist(), strict=True
        )
    ]
    return {"masks": masks}


def tags(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `seq_label`: a label for each word, and the spans that they mark."""
    words = row["words"]
    ids, context, probabilities = np.full(len(words), -1), np.full(len(words), -1), np.zeros(len(words))
    for sequence in sequences:  # of a word in several windows, the window with most tokens around it counts
        word_index = np.array(sequence["word_index"])
        places = np.flatnonzero(word_index >= 0)
        around = np.minimum(places, len(word_index) - 1 - places)
        better = around > context[word_index[places]]
        chosen = word_index[places[better]]
        ids[chosen], context[chosen] = best_labels(sequence, places)[better], around[better]
        logits = sequence["logits"][places[better]] / temperature_of(task)
        probabilities[chosen] = 1.0 / np.exp(logits - logits.max(axis=-1, keepdims=True)).sum(axis=-1)
    names = label_names(task, int(ids.max(initial=0)) + 1)
    labels = [task["rules"]["outside"] if number < 0 else names[number] for number in ids.tolist()]
    spans = [
        {"type": kind, "start": start, "end": end, **span_text(row, start, end, task)}
        for start, end, kind in spans_of(labels, task["rules"])
    ]
    if not any("transitions" in sequence for sequence in sequences):  # a CRF has no probability of a label
        for span in spans:
            span["score"] = float(probabilities[span["start"] : span["end"]].mean())
    found = {"words": words, "labels": labels, "spans": spans}
    if task["rules"].get("lemma_rules"):
        found["lemmas"] = [lemma_of(word, rule) for word, rule in zip(words, labels, strict=True)]
    return found


def lemma_of(word: str, rule: str) -> str:
    """The lemma of a word: what is cut off at both ends, what is put there, and which characters are capitals."""
    case, _, edit = rule.partition(";")
    if edit.startswith("="):
        return edit[1:]
    front, prefix, back, suffix = edit.split("¦")
    lower = word.lower()
    if int(front) + int(back) > len(lower):
        return word
    lemma = prefix + lower[int(front) : len(lower) - int(back)] + suffix
    for run in case.split("¦"):
        start = int(run[1:]) if int(run[1:]) >= 0 else max(len(lemma) + int(run[1:]), 0)
        lemma = lemma[:start] + (lemma[start:].upper() if run[0] == "↑" else lemma[start:].lower())
    return lemma


def best_labels(sequence: dict, places: np.ndarray) -> np.ndarray:
    """The label's id of the tokens at `places`; with a CRF of the best sequence of labels."""
    logits = sequence["logits"][places]
    if "transitions" not in sequence or not len(logits):
        return logits.argmax(axis=-1)
    following, start, end = np.split(sequence["transitions"], [-2, -1])
    total, origins = start[0] + logits[0], []
    for word in logits[1:]:
        through = total[:, None] + following  # [label before, label]
        origins.append(through.argmax(axis=0))
        total = through.max(axis=0) + word
    best = [int((total + end[0]).argmax())]
    for origin in reversed(origins):
        best.append(int(origin[best[-1]]))
    return np.array(best[::-1])


def span_text(row: dict, start: int, end: int, task: dict) -> dict:
    """The text of the words from `start` to `end`, and its characters where they are known."""
    if "offsets" in row:
        first, last = row["offsets"][start][0], row["offsets"][end - 1][1]
        return {"text": row["text_a"][first:last], "start_char": first, "end_char": last}
    glue = "" if task["paradigm_settings"]["for_cn"] else " "
    return {"text": glue.join(row["words"][start:end])}


def spans_of(labels: list[str], rules: dict) -> list[tuple[int, int, str]]:
    """First word, word after the last one and type of each span."""
    if rules["tags"] is None:
        return []
    parts = [tuple(rules["tags"].get(label) or ("O", "_")) for label in labels] + [("O", "_")]
    return strict_spans(parts, rules["strict"]) if rules["strict"] else lenient_spans(parts)


def lenient_spans(parts: list[tuple[str, str]]) -> list[tuple[int, int, str]]:
    """Spans as CoNLL's evaluation reads them: what continues nothing starts a span."""
    found, start = [], 0
    before, kind_before = "O", ""
    for place, (tag, kind) in enumerate(parts):
        changed = kind_before != kind
        if before in "ES" or (before in "BI" and tag in "BSO") or (before != "O" and changed):
            found.append((start, place, kind_before))
        if tag in "BS" or (before in "ESO" and tag in "EI") or (tag != "O" and changed):
            start = place
        before, kind_before = tag, kind
    return found


def strict_spans(parts: list[tuple[str, str]], patterns: dict[str, str]) -> list[tuple[int, int, str]]:
    """Spans of a scheme that is read strictly, by the patterns of two neighbours that export.json holds."""

    def matches(name: str, one: tuple[str, str], other: tuple[str, str]) -> bool:
        types = "=" if one[1] == other[1] else "!"
        return any(
            pattern[0] in (".", one[0]) and pattern[1] in (".", other[0]) and pattern[2] in ("*", types)
            for pattern in patterns[name].split()
        )

    found, place, before = [], 0, ("O", "_")
    while place < len(parts) - 1:
        start, place = place, place + 1
        if matches("starts", before, parts[start]):
            while matches("inside", parts[place - 1], parts[place]):
                place += 1
            if matches("ends", parts[place - 1], parts[place]):
                found.append((start, place, parts[start][1]))
        before = parts[place - 1]
    return found


def nested_spans(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `spans`: of each type of each span a score, from the window with most tokens around the span."""
    if task["relations"]:
        raise SystemExit("This model also predicts relations between spans, which this example cannot. Use PALM.")
    settings = task["paradigm_settings"]
    is_exclusive = settings["span_scorer"] == "biaffine"
    found = []
    for number, sequence in enumerate(sequences):
        for first, last, kind, logit in best_cells(sequence["span_logits"], settings["span_threshold"], is_exclusive):
            start, end = int(sequence["places"][first, 0]), int(sequence["places"][last, 1])
            place = sequence["first"] + first, sequence["first"] + last
            context = [tokens_around(other, *place) for other in sequences]
            if min(start, end) >= 0 and context.index(max(context)) == number:
                found.append((start, end, kind, logit))
    if is_exclusive:
        ranked, found = sorted(found, key=lambda span: (-span[3], span[0], span[1])), []
        for start, end, kind, logit in ranked:  # a span that crosses a better one is left out
            if not any(start < i < end < j or i < start < j < end for i, j, _, _ in found):
                found.append((start, end, kind, logit))
    names = label_names(task, int(sequences[0]["span_logits"].shape[0]))
    spans = [
        {"type": names[kind], "start": start, "end": end, "text": row["text_a"][start:end]}
        | {"score": float(sigmoid(np.array(logit)))}
        for start, end, kind, logit in sorted(found, key=lambda span: (span[0], -span[1], span[2]))
    ]
    return {"spans": spans}


def best_cells(scores: np.ndarray, threshold: float, is_exclusive: bool) -> list[tuple[int, int, int, float]]:
    """First token, last token, type and score of the spans above the threshold: the best, at most one per token."""
    chosen = scores > threshold
    if is_exclusive:  # a span has one type
        chosen &= np.arange(len(scores))[:, None, None] == scores.argmax(axis=0)
    cells = [(i, j, kind, float(scores[kind, i, j])) for kind, i, j in np.argwhere(chosen).tolist()]
    best = sorted(range(len(cells)), key=lambda place: -cells[place][3])[: scores.shape[-1]]
    return [cells[place] for place in sorted(best)]


def tokens_around(sequence: dict, first: int, last: int) -> int:
    """Tokens of the text on the side of a span where a window has fewer; below 0 where it does not hold the span."""
    inside = np.flatnonzero(sequence["places"][:, 0] >= 0)
    low, high = (int(inside[0]), int(inside[-1])) if len(inside) else (0, -1)
    low, high = (sequence["first"] + low, sequence["first"] + high) if len(inside) else (low, high)
    return min(first - low, high - last)


def answer(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `mrc`: the best answers of all windows, each of them a part of the context."""
    settings = task["paradigm_settings"]
    nbest = best_spans(row["context"], sequences, settings["max_answer_len"], settings["n_best_size"])
    text, null_odds = (nbest[0]["text"] if nbest else ""), None
    if settings["with_negative"]:
        starts_and_ends = [(float(one["start_logits"][0]), float(one["end_logits"][0])) for one in sequences]
        null = min(starts_and_ends, key=sum)
        if nbest:
            null_odds = sum(null) - nbest[0]["score"]
        if null_odds is None or null_odds > settings["null_score_diff_threshold"]:
            text = ""
        nothing = {"text": "", "start": 0, "end": 0}
        nbest.append({**nothing, "start_logit": null[0], "end_logit": null[1], "score": sum(null)})
        nbest.sort(key=lambda one: -one["score"])
    scores = np.array([one.pop("score") for one in nbest]) / temperature_of(task)
    probabilities = softmax(scores).tolist() if nbest else []
    nbest = [{**one, "probability": share} for one, share in zip(nbest, probabilities, strict=True)]
    chosen = next((one for one in nbest if one["text"] == text), {"start": 0, "end": 0, "probability": 0.0})
    place = {"start": chosen["start"], "end": chosen["end"]}
    probability = chosen["probability"]
    return {"id": row["id"], "text": text, **place, "probability": probability, "nbest": nbest, "null_odds": null_odds}


def best_spans(context: str, sequences: list[dict], longest: int, most: int) -> list[dict]:
    """The best different answers, best first; of equals the earlier and shorter one."""
    spans = []  # score, window, first token, last token
    for window in sequences:
        starts, ends, places = window["start_logits"].astype("float64"), window["end_logits"], window["places"]
        inside = places[:, 0] >= 0
        for first in np.flatnonzero(inside & window["starts_here"]):
            for last in range(first, min(first + longest, len(places))):
                if inside[last]:
                    spans.append((starts[first] + ends[last], window, first, last))
    found, seen = [], set()
    for total, window, first, last in sorted(spans, key=lambda span: -span[0]):
        text = context[window["places"][first, 0] : window["places"][last, 1]]
        if text.strip() and text not in seen:
            seen.add(text)
            start, end = float(window["start_logits"][first]), float(window["end_logits"][last])
            place = int(window["places"][first, 0])
            found.append(
                {"text": text, "start": place, "end": place + len(text)}
                | {"start_logit": start, "end_logit": end, "score": float(total)}
            )
        if len(found) == most:
            break
    return found


def label_of_prompt(row: dict, sequences: list[dict], task: dict) -> dict:
    """The paradigm `prompt`: a class or several; with options, every candidate was a sequence."""
    settings = task["paradigm_settings"]
    if settings["label_kind"] == "several":
        return several_classes(row, sequences, task)
    if settings["verbalizer"] != "none":
        return one_class(row, sequences, task)
    scores = np.array([sequence["logits"][0] for sequence in sequences])
    true = -np.logaddexp(0.0, -scores)  # logarithm of the probability that the label is true
    return one_class(row, [{"logits": true}], task)


DECODE = {
    "cls": one_class,
    "match": one_class,
    "multi_label": several_classes,
    "regression": number,
    "pairwise_match": score,
    "embed": class_of_embedding,
    "embed_pairs": cosine,
    "choice": best_candidate,
    "rank": ranked_candidates,
    "mlm": masked_tokens,
    "seq_label": tags,
    "spans": nested_spans,
    "mrc": answer,
    "parse": tree,
    "prompt": label_of_prompt,
}
