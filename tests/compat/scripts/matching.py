"""PALM 2's calls for pairs of texts: by labels, then pairwise, which scores a pair."""

import json
import sys

import palm

if __name__ == "__main__":
    encoder, length, size, epochs, strategy = "encoder", 64, 4, 2, sys.argv[1]
    config = json.load(open(f"{encoder}/ernie_config.json")) | {"is_pairwise": strategy == "pairwise"}
    width, vocabulary = config["hidden_size"], f"{encoder}/vocab.txt"

    reader = palm.reader.MatchReader(vocabulary, length, seed=3, learning_strategy=strategy)
    reader.load_data(f"{strategy}.tsv", file_format="tsv", num_epochs=epochs, batch_size=size)
    backbone = palm.backbone.ERNIE.from_config(config)
    reader.register_with(backbone)
    head = palm.head.Match(2, width, 0.0, learning_strategy=strategy)
    trainer = palm.Trainer("Question Pairs matching")
    loss = trainer.build_forward(backbone, head)
    trainer.build_backward(optimizer=palm.optimizer.Adam(loss, 5e-3, palm.lr_sched.WarmupSchedualer(2)))
    trainer.fit_reader(reader)
    trainer.load_pretrain(f"{encoder}/params", False)
    trainer.set_saver(save_path="out", save_steps=100, save_type="ckpt")
    trainer.train(print_steps=1)

    to_predict = palm.reader.MatchReader(vocabulary, length, seed=3, learning_strategy=strategy, phase="predict")
    to_predict.load_data(f"{strategy}.tsv", size)
    predict_head = palm.head.Match(2, width, learning_strategy=strategy, phase="predict")
    trainer.build_predict_forward(palm.backbone.ERNIE.from_config(config, phase="predict"), predict_head)
    trainer.fit_reader(to_predict, phase="predict")
    trainer.predict(output_dir="predictions", print_steps=0)
