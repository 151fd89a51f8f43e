"""Train three tasks on one encoder, then show predictions of each on unseen data."""

import json
from itertools import islice

import palm


def rows(file: str) -> list[list[str]]:
    """Rows of a tsv without its header."""
    with open(file, encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t") for line in islice(lines, 1, None)]


def questions(file: str) -> dict[str, dict]:
    """Question, passage and answers of a SQuAD json, by id."""
    with open(file, encoding="utf-8") as stream:
        paragraphs = [paragraph for article in json.load(stream)["data"] for paragraph in article["paragraphs"]]
    return {qa["id"]: {**qa, "context": paragraph["context"]} for paragraph in paragraphs for qa in paragraph["qas"]}


if __name__ == "__main__":
    controller = palm.Controller("config.yaml")
    controller.load_pretrain("../../pretrain/minilm-l6-en")
    controller.train()

    intents, slots, answers = (controller.pred(task) for task in ("intent", "slots", "answer"))
    data = "../../data/travel/en"

    print("\n--- intent: label and its probability")
    for prediction, (gold, text) in zip(intents[:5], rows(f"{data}/intent/test.tsv"), strict=False):
        label = prediction["label"]
        print(f"{label:<14} {prediction['probs'][label]:.2f}  {text}   (gold: {gold})")

    print("\n--- slots: the spans of each request")
    for prediction in slots[:5]:
        spans = ", ".join(f"{span['type']} = {span['text']}" for span in prediction["spans"])
        print(f"{' '.join(prediction['words'])}\n    {spans}")

    print("\n--- answer: found in the passage")
    asked = questions(f"{data}/mrc/test.json")
    for prediction in answers[:5]:
        gold = asked[prediction["id"]]
        print(f"{gold['question']}  {prediction['text']}   (gold: {gold['answers'][0]['text']})")

    print("\nMetrics over the test files:")
    for task, file in (("intent", "intent/test.tsv"), ("slots", "slots/test.tsv"), ("answer", "mrc/test.json")):
        metrics = controller.evaluate(task, file=f"{data}/{file}")
        print(f"    {task:<8} " + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
