"""PALM 2's calls to predict from the parameters of an encoder alone."""

import json

import palm

if __name__ == "__main__":
    encoder = "encoder"
    config = json.load(open(f"{encoder}/ernie_config.json"))
    reader = palm.reader.ClassifyReader(f"{encoder}/vocab.txt", 64, seed=1, phase="predict")
    reader.load_data("classes.tsv", 4)
    backbone = palm.backbone.ERNIE.from_config(config, phase="predict")
    reader.register_with(backbone)
    trainer = palm.Trainer("mood")
    trainer.build_predict_forward(backbone, palm.head.Classify(2, config["hidden_size"], phase="predict"))
    trainer.load_predict_model(f"{encoder}/params")
    trainer.fit_reader(reader, phase="predict")
    trainer.predict(print_steps=20, output_dir="predictions/")
