"""在一个编码器上训练三个任务，然后展示每个任务在未见过的数据上的预测。"""

import json
from itertools import islice

import palm


def rows(file: str) -> list[list[str]]:
    """表格文件的各行，不含表头。"""
    with open(file, encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t") for line in islice(lines, 1, None)]


def questions(file: str) -> dict[str, dict]:
    """SQuAD json 的问题、短文与答案，按 id。"""
    with open(file, encoding="utf-8") as stream:
        paragraphs = [paragraph for article in json.load(stream)["data"] for paragraph in article["paragraphs"]]
    return {qa["id"]: {**qa, "context": paragraph["context"]} for paragraph in paragraphs for qa in paragraph["qas"]}


if __name__ == "__main__":
    controller = palm.Controller("config.yaml")
    controller.train()

    intents, slots, answers = (controller.pred(task) for task in ("intent", "slots", "answer"))
    data = "../../data/travel/zh"

    print("\n--- intent：意图及其概率")
    for prediction, (gold, text) in zip(intents[:5], rows(f"{data}/intent/test.tsv"), strict=False):
        label = prediction["label"]
        print(f"{label:<14} {prediction['probs'][label]:.2f}  {text}（标准答案：{gold}）")

    print("\n--- slots：每个请求中的片段")
    for prediction in slots[:5]:
        spans = "，".join(f"{span['type']} = {span['text']}" for span in prediction["spans"])
        print(f"{''.join(prediction['words'])}\n    {spans}")

    print("\n--- answer：短文中的答案")
    asked = questions(f"{data}/mrc/test.json")
    for prediction in answers[:5]:
        gold = asked[prediction["id"]]
        print(f"{gold['question']}  {prediction['text']}（标准答案：{gold['answers'][0]['text']}）")

    print("\n测试集上的指标：")
    for task, file in (("intent", "intent/test.tsv"), ("slots", "slots/test.tsv"), ("answer", "mrc/test.json")):
        metrics = controller.evaluate(task, file=f"{data}/{file}")
        print(f"    {task:<8} " + ", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))
