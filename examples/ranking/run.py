"""Train a ranker, then read in which order it puts the candidates of unseen lists."""

import json

import palm

if __name__ == "__main__":
    controller = palm.Controller("config.yaml")
    controller.train()
    predictions = controller.pred("answers")

    with open("data/test.jsonl", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for row, prediction in zip(rows[:4], predictions, strict=False):
        print(f"\n{row['text_a']}")
        for place, index in enumerate(prediction["ranking"], 1):
            print(f"    {place}. {row['choices'][index]} (relevance {row['relevance'][index]})")

    metrics = controller.evaluate("answers", file="data/test.jsonl")
    print("\nOver the test file: " + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
