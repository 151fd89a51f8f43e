"""Train spans within each other and the relations between them, then read predictions of unseen texts."""

import json

import palm

if __name__ == "__main__":
    controller = palm.Controller("config.yaml")
    controller.train()
    predictions = controller.pred("entities")

    with open("data/test.jsonl", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    for text, prediction in zip(texts[:6], predictions, strict=False):
        spans = prediction["spans"]
        print(f"\n{text}")
        for span in spans:
            print(f"    {span['type']:<13} {text[span['start'] : span['end']]}")
        for relation in prediction["relations"]:
            head, tail = spans[relation["head"]], spans[relation["tail"]]
            print(f"    {head['text']} —{relation['type']}→ {tail['text']}")

    metrics = controller.evaluate("entities", file="data/test.jsonl")
    print("\nOver the test file: " + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
