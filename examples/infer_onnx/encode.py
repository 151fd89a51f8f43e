"""From texts to the numbers that the model takes. Each function takes a row and gives its sequences, one or several.

A sequence is a dict: `token_ids` and `segment_ids`, and what decode.py needs of it. What is here does the same as the
readers of PALM; it needs nothing but numpy and the library tokenizers.
"""

import unicodedata
from bisect import bisect_right
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Tokenizer


class TextEncoder:
    """The tokenizer of a task, and where special tokens such as [CLS] and [SEP] stand around its texts.

    Args:
        file: The tokenizer's file in the exported folder.
        settings: What export.json says of it.
    """

    def __init__(self, file: Path, settings: dict) -> None:
        self.settings = settings
        self.tokenizer = Tokenizer.from_file(str(file))
        inside = settings["inside_file"]  # for text that continues another without a blank
        self.inside = Tokenizer.from_file(str(file.with_name(inside))) if inside else self.tokenizer
        # The same with [MASK], which becomes an id behind the vocabulary, as nothing in a text yields a special token.
        self.masking = Tokenizer.from_file(str(file))
        strips = {"lstrip": settings["lstrip"], "rstrip": settings["rstrip"]}
        masks = [AddedToken(name, normalized=False, special=True, **strips) for name in settings["mask_names"]]
        self.masking.add_special_tokens(masks)

    def ids(self, text: str) -> list[int]:
        """The tokens of a text."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def ids_with_masks(self, text: str) -> list[int]:
        """The tokens of a text in which [MASK] stands for tokens to predict."""
        ids = self.masking.encode(text, add_special_tokens=False).ids
        return [number if number < self.settings["vocab_size"] else self.settings["mask_id"] for number in ids]

    def ids_and_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The tokens of a text, and the characters that each stands for."""
        found = self.tokenizer.encode(text, add_special_tokens=False)
        return found.ids, exact_offsets(found.ids, found.offsets, text, set(self.settings["markers"]))

    def words(self, words: list[str]) -> tuple[list[int], list[int]]:
        """The tokens of a text that is given as words, and the word of each; every word has at least one token."""
        if self.settings["sees_blanks"]:
            tokens = self.words_in_their_text(words)
        else:
            found = self.tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False)
            tokens = list(zip(found.word_ids, found.ids, strict=True))
        filler = self.settings["sep_id"] if self.settings["unk_id"] is None else self.settings["unk_id"]
        tokens += [(word, filler) for word in set(range(len(words))) - {word for word, _ in tokens}]
        tokens.sort(key=lambda token: token[0])
        return [number for _, number in tokens], [word for word, _ in tokens]

    def words_in_their_text(self, words: list[str]) -> list[tuple[int, int]]:
        """Word and token, where the tokens of a word depend on the blank before it, as in BPE and Unigram.

        Words that share a token are encoded one by one.
        """
        text, starts = "", []
        for place, word in enumerate(words):
            text += " " if place and has_blank(words[place - 1], word, for_cn=self.settings["for_cn"]) else ""
            starts.append(len(text))
            text += word
        ids, offsets = self.ids_and_offsets(text)
        firsts = [max(bisect_right(starts, start) - 1, 0) for start, _ in offsets]
        lasts = [max(bisect_right(starts, end - 1) - 1, first) for first, (_, end) in zip(firsts, offsets, strict=True)]
        several = [range(first, last + 1) for first, last in zip(firsts, lasts, strict=True) if first < last]
        shared = {word for words_of_token in several for word in words_of_token}
        tokens = [(word, number) for word, number in zip(firsts, ids, strict=True) if word not in shared]
        for word in shared:
            spaced = word > 0 and starts[word] > starts[word - 1] + len(words[word - 1])
            encoder = self.tokenizer if word == 0 or spaced else self.inside
            alone = encoder.encode((" " if spaced else "") + words[word], add_special_tokens=False).ids
            tokens += [(word, number) for number in alone]
        return tokens

    def single(self, ids: list[int], limit: int) -> dict:
        """`[CLS] text [SEP]` of at most `limit` tokens."""
        layout = self.settings["single"]
        front, back = layout["front"]["ids"], layout["back"]["ids"]
        tokens = [*front, *ids[: max(limit - len(front) - len(back), 0)], *back]
        return {"token_ids": tokens, "segment_ids": [0] * len(tokens)}

    def inside_ids(self, text: str, *, after_blank: bool) -> list[int]:
        """The tokens of a text that follows other text: after a blank, or without one."""
        if not self.settings["sees_blanks"] or (after_blank and self.settings["inside_file"]):
            return self.ids(text)  # where it puts a blank before every text
        return self.inside.encode((" " if after_blank else "") + text, add_special_tokens=False).ids

    def pair(self, first: list[int], second: list[int]) -> dict:
        """`[CLS] first [SEP] second [SEP]`."""
        layout = self.settings["pair"]
        front, middle, back = layout["front"], layout["middle"], layout["back"]
        segments = [*front["segments"], *[layout["first"]] * len(first), *middle["segments"]]
        segments += [*[layout["second"]] * len(second), *back["segments"]]
        return {"token_ids": [*front["ids"], *first, *middle["ids"], *second, *back["ids"]], "segment_ids": segments}

    def special_tokens(self) -> int:
        """How many special tokens a pair has."""
        return sum(len(self.settings["pair"][part]["ids"]) for part in ("front", "middle", "back"))


def one_text(row: dict, encoder: TextEncoder, settings: dict) -> list[dict]:
    """The readers `cls` and `embed`."""
    return [encoder.single(encoder.ids(row["text_a"]), settings["max_seq_len"])]


def two_texts(row: dict, encoder: TextEncoder, settings: dict) -> list[dict]:
    """The readers `match` and `pairwise_match`: the longer text is cut until both fit."""
    first, second = encoder.ids(row["text_a"]), encoder.ids(row["text_b"])
    return [fitting_pair(first, second, encoder, settings["max_seq_len"])]


def each_text(row: dict, encoder: TextEncoder, settings: dict) -> list[dict]:
    """The reader `embed_pairs`: each of the two texts is a sequence."""
    return [encoder.single(encoder.ids(row[name]), settings["max_seq_len"]) for name in ("text_a", "text_b")]


def candidates_of(row: dict) -> list[str]:
    """The candidates of a row: a list, text with | between them, or the one of a pair."""
    given = row["choices"] if "choices" in row else [row["text_b"]]
    return given if isinstance(given, list) else given.split("|")


def candidates(row: dict, encoder: TextEncoder, settings: dict) -> list[dict]:
    """The readers `choice` and `rank`: a sequence for each candidate."""
    first, choices = encoder.ids(row["text_a"]), candidates_of(row)
    return [fitting_pair(first, encoder.ids(choice), encoder, settings["max_seq_len"]) for choice in choices]


def masked_text(row: dict, encoder: TextEncoder, settings: dict) -> list[dict]:
    """The reader `mlm`, with the places of [MASK]."""
    ids, mask = encoder.ids_with_masks(row["text_a"]), encoder.settings["mask_id"]
    found = encoder.single(ids, settings["max_seq_len"])
    masks = [place for place, number in enumerate(found["token_ids"]) if number == mask]
    if not masks or len(masks) < ids.count(mask):
        raise SystemExit(f"A text needs [MASK] within {settings['max_seq_len']} tokens. Found: {row['text_a'][:80]}")
    return [{**found, "masks": masks}]


def tagged_words(row: dict, encoder: TextEncoder, settings: dict) -> list[dict]:
    """The readers `seq_label` and `parse`: as many windows as the words need.

    `word_index` is the word of each token that is the first of its word, else -1.
    """
    ids, words = encoder.words(row["words"])
    layout = encoder.settings["single"]
    front, back = layout["front"]["ids"], layout["back"]["ids"]
    room = max(settings["max_seq_len"] - len(front) - len(back), 1)
    index = [word if place == 0 or words[place - 1] != word else -1 for place, word in enumerate(words)]
    starts = [place for place, word in enumerate(index) if word >= 0] + [len(ids)]
    found, begin = [], 0
    for word in range(1, len(starts)):  # a window ends before the first word that does not fit
        if word == len(starts) - 1 or starts[word + 1] - starts[begin] > room:
            inside = slice(starts[begin], min(starts[word], starts[begin] + room))
            word_index = [*[-1] * len(front), *index[inside], *[-1] * len(back)]
            found.append({**encoder.single(ids[inside], settings["max_seq_len"]), "word_index": word_index})
            begin = word
    return found or [{**encoder.single([], settings["max_seq_len"]), "word_index": [-1] * (len(front) + len(back))}]


def text_windows(row: dict, encoder: TextEncoder, settings: dict) -> list[dict]:
    """The reader `spans`: windows of the text, each half a window after the one before.

    `places` are the characters of each token, `first` the number in the text of the token at place 0.
    """
    ids, offsets = encoder.ids_and_offsets(row["text_a"])
    layout = encoder.settings["single"]
    front, back = len(layout["front"]["ids"]), len(layout["back"]["ids"])
    width = max(settings["max_seq_len"] - front - back, 1)
    last, step = max(len(ids) - width, 0), max(width // 2, 1)
    found = []
    for start in range(0, last + step, step) if last else [0]:
        places = [span if span[0] < span[1] else (-1, -1) for span in offsets[start : start + width]]
        places = np.array([*[(-1, -1)] * front, *places, *[(-1, -1)] * back])
        window = encoder.single(ids[start : start + width], settings["max_seq_len"])
        found.append({**window, "places": places, "first": start - front})
    return found


def question(row: dict, encoder: TextEncoder, settings: dict) -> list[dict]:
    """The reader `mrc`: overlapping windows of the context, each with the question before it."""
    ids, offsets = encoder.ids_and_offsets(row["context"])
    special = encoder.special_tokens()
    asked = encoder.ids(row["question"])
    asked = asked[: max(min(settings["max_query_len"], settings["max_seq_len"] - special - 1), 0)]
    width = settings["max_seq_len"] - special - len(asked)
    last, step = max(len(ids) - width, 0), min(settings["doc_stride"], width)
    starts = range(0, last + step, step) if last else [0]
    windows = [(start, min(start + width, len(ids))) for start in starts]
    front = len(encoder.settings["pair"]["front"]["ids"]) + len(asked) + len(encoder.settings["pair"]["middle"]["ids"])
    back = len(encoder.settings["pair"]["back"]["ids"])
    found = []
    for (start, end), most_context in zip(windows, with_most_context(windows, len(ids)), strict=True):
        # An answer neither begins nor ends with a token that stands for a blank alone.
        places = [span if span[0] < span[1] else (-1, -1) for span in offsets[start:end]]
        outside = [(-1, -1)]
        found.append(
            {
                **encoder.pair(asked, ids[start:end]),
                "places": np.array([*outside * front, *places, *outside * back]),
                "starts_here": np.array([*[False] * front, *most_context, *[False] * back]),
            }
        )
    return found


def prompted(row: dict, encoder: TextEncoder, settings: dict) -> list[dict]:
    """The reader `prompt`: the text in its template, or a sequence for each candidate of one with options."""
    options = settings["encoding_rules"]["options"]
    return [filled_template(row, option, encoder, settings) for option in ([""] if options is None else options)]


def filled_template(row: dict, option: str, encoder: TextEncoder, settings: dict) -> dict:
    """A sequence of the template's parts, of which only texts are cut."""
    parts = [dict(part) for part in settings["encoding_rules"]["parts"]]
    for part in parts:
        text = row.get(part["column"], "") if part["column"] else option_text(part, option)
        if text is not None:
            follows = part["follows"] or part["after_blank"]
            part["ids"] = encoder.inside_ids(text, after_blank=part["after_blank"]) if follows else encoder.ids(text)
            part["soft_ids"] = [0] * len(part["ids"])
    layout = encoder.settings["single"]
    front, back = layout["front"]["ids"], layout["back"]["ids"]
    room = settings["max_seq_len"] - len(front) - len(back)
    room -= sum(len(part["ids"]) for part in parts if not part["is_cut"])
    cut = [part for part in parts if part["is_cut"]]
    if room < any(part["ids"] for part in cut):
        raise SystemExit(f"max_seq_len is {settings['max_seq_len']}, and the prompt leaves no room for text.")
    lengths = kept_lengths([len(part["ids"]) for part in cut], room, settings)
    for part, length in zip(cut, lengths, strict=True):
        start = len(part["ids"]) - length if settings["truncate_mode"] == "head" else 0
        part["ids"], part["soft_ids"] = part["ids"][start : start + length], part["soft_ids"][start : start + length]
    return joined_parts(parts, front, back)


def option_text(part: dict, option: str) -> str | None:
    """A candidate in what stands around it; None for a part that is the same in every sequence."""
    return None if part["option"] is None else part["option"].replace("[OPT]", option)


def kept_lengths(lengths: list[int], room: int, settings: dict) -> list[int]:
    """How much is kept of each text: the longest loses its last token first, of equal ones the last."""
    kept = list(lengths)
    if settings["truncate_mode"] == "manual":
        limits = [settings["first_max_length"], *[settings["other_max_length"]] * len(kept)]
        kept = [length if limit is None else min(length, limit) for length, limit in zip(kept, limits, strict=False)]
    while sum(kept) > room:
        kept[max(range(len(kept)), key=lambda place: (kept[place], place))] -= 1
    return kept


def joined_parts(parts: list[dict], front: list[int], back: list[int]) -> dict:
    """The parts as one sequence, with the places of its masks."""
    found = {"token_ids": list(front), "soft_ids": [0] * len(front), "segment_ids": [0] * len(front)}
    positions, position, masks, segment = list(range(len(front))), len(front), [], 0
    last = {"ids": back, "soft_ids": [0] * len(back), "position": None, "is_mask": False, "segment": None}
    for part in [*parts, last]:
        size, before = len(part["ids"]), len(found["token_ids"])
        position = position if part["position"] is None else part["position"]
        segment = segment if part["segment"] is None else part["segment"]
        masks += range(before, before + size) if part["is_mask"] else []
        found["token_ids"] += part["ids"]
        found["soft_ids"] += part["soft_ids"]
        found["segment_ids"] += [segment] * size
        positions += range(position, position + size)
        position += size
    return {**found, "position_ids": positions, "mask_positions": masks}


ENCODE = {
    "cls": one_text,
    "embed": one_text,
    "embed_pairs": each_text,
    "match": two_texts,
    "pairwise_match": two_texts,
    "choice": candidates,
    "rank": candidates,
    "mlm": masked_text,
    "seq_label": tagged_words,
    "spans": text_windows,
    "parse": tagged_words,
    "mrc": question,
    "prompt": prompted,
}


def with_words(row: dict, task: dict) -> dict:
    """For words: the row with its `words`, and their `offsets` where PALM was trained on spans of characters."""
    text, for_cn = row["text_a"], task["reader_settings"]["for_cn"] and task["reader"] != "parse"
    if isinstance(text, list):
        return {**row, "words": text}
    if task["splits_text"]:
        offsets = word_offsets(text, by_character=for_cn)
        return {**row, "words": [text[start:end] for start, end in offsets], "offsets": offsets}
    if "\x02" in text:  # PALM 2's separator
        return {**row, "words": [word for word in text.split("\x02") if word.strip()]}
    bare = text.strip(" ")
    return {**row, "words": list(bare) if for_cn and " " not in bare else [word for word in text.split(" ") if word]}


def has_blank(before: str, word: str, *, for_cn: bool) -> bool:
    """Whether a blank stands between two words: not next to characters of scripts without blanks."""
    if for_cn and len(before) == len(word) == 1:
        return False
    return not (is_unspaced(before[-1:]) or is_unspaced(word[:1]))


def is_unspaced(char: str) -> bool:
    """Whether a character is of a script without blanks between words."""
    scripts = ("CJK", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC", "FULLWIDTH", "BOPOMOFO")
    return not char.isascii() and unicodedata.name(char, "").startswith(scripts)


def word_offsets(text: str, *, by_character: bool) -> list[tuple[int, int]]:
    """Words, and each punctuation mark and each ideograph by itself; with `by_character` each character but blanks."""
    found: list[tuple[int, int]] = []
    joins = False  # whether the next letter continues the last word
    for place, char in enumerate(text):
        kind = "" if char.isspace() else unicodedata.category(char)
        if kind[:1] == "M" and found and found[-1][1] == place:  # an accent belongs to its letter
            found[-1] = (found[-1][0], place + 1)
            continue
        is_letter = kind[:1] in ("L", "N") or char == "_"
        alone = by_character or not is_letter or is_ideograph(char)
        if kind and joins and not alone:
            found[-1] = (found[-1][0], place + 1)
        elif kind and kind not in ("Cc", "Cf"):
            found.append((place, place + 1))
        joins = bool(kind) and not alone
    return found


def is_ideograph(char: str) -> bool:
    """Whether a character is of a script without blanks that BERT splits into characters."""
    return any(
        first <= ord(char) <= last
        for first, last in ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
    )


def fitting_pair(first: list[int], second: list[int], encoder: TextEncoder, limit: int) -> dict:
    """A pair of at most `limit` tokens: the longer text loses its last token first, of equal ones the second."""
    room = max(limit - encoder.special_tokens(), 0)
    kept = [len(first), len(second)]
    while sum(kept) > room:
        kept[0 if kept[0] > kept[1] else 1] -= 1
    return encoder.pair(first[: kept[0]], second[: kept[1]])


def with_most_context(windows: list[tuple[int, int]], count: int) -> list[list[bool]]:
    """For each token of each window, whether no other window has more tokens on both sides of it."""
    most, best = np.full(count, -1.0), np.zeros(count, "int64")
    for number, (start, end) in enumerate(windows):
        place = np.arange(end - start)
        score = np.minimum(place, place[::-1]) + 0.01 * len(place)
        best[start:end] = np.where(score > most[start:end], number, best[start:end])
        most[start:end] = np.maximum(score, most[start:end])
    return [(best[start:end] == number).tolist() for number, (start, end) in enumerate(windows)]


def exact_offsets(
    ids: list[int], offsets: list[tuple[int, int]], text: str, markers: set[int]
) -> list[tuple[int, int]]:
    """The characters of each token: without the blanks around them, with the accents that the tokenizer removes."""
    found = []
    for number, (start, end), limit in zip(ids, offsets, next_starts(offsets, len(text)), strict=True):
        piece = text[start:end]
        bare = piece.strip()
        if not bare:  # a token for a blank alone
            found.append((end, end))
        elif number in markers and bare != "▁":
            found.append((start, start))
        else:
            left = start + len(piece) - len(piece.lstrip())
            right = left + len(bare)
            while right < limit and unicodedata.category(text[right]).startswith("M"):
                right += 1
            found.append((left, right))
    return found


def next_starts(offsets: list[tuple[int, int]], length: int) -> list[int]:
    """Where the next characters begin that a token does not share with those behind it."""
    found, limit, after = [], length, length
    for start, end in reversed(offsets):
        limit = after if after >= end else limit
        found.append(limit)
        after = start
    return found[::-1]
