"""PALM 2's calls to predict several tasks over one encoder, batch by batch."""

import json

import palm

if __name__ == "__main__":
    encoder, length, size = "encoder", 64, 8
    config = json.load(open(f"{encoder}/ernie_config.json"))
    width, vocabulary = config["hidden_size"], f"{encoder}/vocab.txt"

    slots_reader = palm.reader.SequenceLabelReader(vocabulary, length, "tags.json", seed=0, phase="predict")
    intent_reader = palm.reader.ClassifyReader(vocabulary, length, seed=0, phase="predict")
    slots_reader.load_data("slots.tsv", file_format="tsv", num_epochs=None, batch_size=size)
    intent_reader.load_data("intents.tsv", batch_size=size, num_epochs=None)
    backbone = palm.backbone.ERNIE.from_config(config, phase="predict")

    slots, intent = palm.Trainer("slots", mix_ratio=1.0), palm.Trainer("intent", mix_ratio=1.0)
    both = palm.MultiHeadTrainer([slots, intent])
    intent.build_predict_forward(backbone, palm.head.Classify(26, width, 0.1, phase="predict"))
    slots.build_predict_forward(backbone, palm.head.SequenceLabel(30, width, 0.1, phase="predict"))
    both.build_predict_forward()
    both.load_ckpt("both/ckpt.step20")
    batches = both.merge_inference_readers([slots_reader, intent_reader])

    for task, reader in (("slots", slots_reader), ("intent", intent_reader)):
        shapes = [both.predict_one_batch(task, batch)["logits"].shape for batch in batches(task)]
        print(task, sum(shape[0] for shape in shapes), reader.num_examples, shapes[0][-1])
