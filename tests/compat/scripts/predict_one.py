"""PALM 2's calls to predict one task from the checkpoint of several."""

import json
import sys

import palm
from palm.distribute import gpu_dev_count

if __name__ == "__main__":
    encoder, length, size, task = "encoder", 64, 8 * max(1, gpu_dev_count), sys.argv[1]
    config = json.load(open(f"{encoder}/ernie_config.json"))
    width, vocabulary = config["hidden_size"], f"{encoder}/vocab.txt"
    if task == "slots":
        reader = palm.reader.SequenceLabelReader(vocabulary, length, "tags.json", seed=0, phase="predict")
        head = palm.head.SequenceLabel(30, width, phase="predict")
    else:
        reader = palm.reader.ClassifyReader(vocabulary, length, seed=0, phase="predict")
        head = palm.head.Classify(26, width, phase="predict")
    reader.load_data({"slots": "slots.tsv", "intent": "intents.tsv"}[task], size)
    backbone = palm.backbone.ERNIE.from_config(config, phase="predict")
    reader.register_with(backbone)
    trainer = palm.Trainer(task)
    trainer.build_predict_forward(backbone, head)
    trainer.load_ckpt("./both/ckpt.step20")
    trainer.fit_reader(reader, phase="predict")
    trainer.predict(print_steps=5, output_dir=f"predictions-{task}/")
