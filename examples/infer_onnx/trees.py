"""From the scores of arcs between words to the tree of a sentence: the paradigm `parse`."""

import numpy as np


def tree(row: dict, sequences: list[dict], task: dict) -> dict:
    """The head of each word, from 1, with 0 for the root, and its relation."""
    names, rules = task["labels"], task["rules"]
    count = len(row["words"])
    heads, relations, first_root = [0] * count, [""] * count, 0
    for sequence in sequences:  # of a long sentence, each window is a tree, and its root depends on that of the first
        index = np.array(sequence["word_index"])
        places = np.flatnonzero(index >= 0)
        words, columns = index[places], np.concatenate([[0], places])
        ids = sequence["relation_ids"][np.ix_(places, columns)]
        local = best_heads(sequence["arc_logits"][np.ix_(places, columns)])
        for place, (word, head) in enumerate(zip(words.tolist(), local, strict=True)):
            number = int(ids[place, head])
            relations[word] = names[number] if names else str(number)
            if head == 0:
                relations[word] = (rules["joins"] if first_root else rules["root_relation"]) or relations[word]
            heads[word] = int(words[head - 1]) + 1 if head else first_root
        if not first_root and local:
            first_root = int(words[local.index(0)]) + 1
    return {"words": row["words"], "heads": heads, "relations": relations}


def best_heads(scores: np.ndarray) -> list[int]:
    """The best tree in which one word depends on the root, by the algorithm of Chu, Liu and Edmonds."""
    count = len(scores)
    if not count:
        return []
    exact = scores.astype("float64")
    known = exact[np.isfinite(exact)]
    table = np.full((count + 1, count + 1), -np.inf)
    table[1:] = np.where(np.isfinite(exact), exact, known.min() if len(known) else 0.0)
    np.fill_diagonal(table, -np.inf)
    arcs = table[1:][table[1:] > -np.inf]
    table[1:, 0] -= 1.0 + (arcs.max() - arcs.min()) * count  # two arcs from the root can never be the best
    return arborescence(table)[1:].tolist()


def arborescence(table: np.ndarray) -> np.ndarray:
    """The best head of each node, without cycles: a cycle is made one node, and opened where the best arc enters it."""
    heads = table.argmax(axis=1)
    heads[0] = 0
    cycle = np.array(find_cycle(heads.tolist()), "int64")
    if not len(cycle):
        return heads
    others = np.setdiff1d(np.arange(len(table)), cycle)
    last = len(others)
    into = table[np.ix_(cycle, others)] - table[cycle, heads[cycle]][:, None]
    out = table[np.ix_(others, cycle)]
    smaller = np.full((last + 1, last + 1), -np.inf)
    smaller[:last, :last] = table[np.ix_(others, others)]
    smaller[last, :last], smaller[:last, last] = into.max(axis=0), out.max(axis=1)
    found = arborescence(smaller)
    for place, node in enumerate(others.tolist()):
        heads[node] = others[found[place]] if found[place] < last else cycle[out[place].argmax()]
    heads[cycle[into[:, found[last]].argmax()]] = others[found[last]]
    return heads


def find_cycle(heads: list[int]) -> list[int]:
    """The nodes of a cycle, if there is one."""
    checked = {0}
    for start in range(1, len(heads)):
        path, node = [], start
        while node not in checked:
            checked.add(node)
            path.append(node)
            node = heads[node]
        if node in path:
            return path[path.index(node) :]
    return []
