"""Train a translator, then read what it writes for requests whose templates it has not seen."""

import palm

if __name__ == "__main__":
    controller = palm.Controller("config.yaml")
    controller.train()
    predictions = controller.pred("translation")

    with open("data/test.en", encoding="utf-8") as sources, open("data/test.zh", encoding="utf-8") as targets:
        pairs = zip(sources.read().splitlines(), targets.read().splitlines(), strict=True)
    for (source, target), prediction in list(zip(pairs, predictions, strict=True))[:6]:
        print(f"\n{source}\n    written  {prediction['text']}\n    gold     {target}")

    metrics = controller.evaluate("translation", file="data/test.en")
    print("\nOver the test files: " + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
