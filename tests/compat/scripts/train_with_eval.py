"""PALM 2's calls for a loop of one's own over the batches that fit_reader gives."""

import json

import palm

if __name__ == "__main__":
    encoder, size, epochs = "encoder", 4, 3
    config = json.load(open(f"{encoder}/ernie_config.json"))
    reader = palm.reader.ClassifyReader(f"{encoder}/vocab.txt", 64, seed=1)
    reader.load_data("classes.tsv", size, num_epochs=epochs)
    backbone = palm.backbone.ERNIE.from_config(config)
    reader.register_with(backbone)
    trainer = palm.Trainer("mood")
    loss = trainer.build_forward(backbone, palm.head.Classify(2, config["hidden_size"], 0.1))
    trainer.build_backward(optimizer=palm.optimizer.Adam(loss, 5e-3), weight_decay=0.01)
    batches = trainer.fit_reader(reader)
    trainer.load_pretrain(f"{encoder}/params")
    trainer.set_saver(save_steps=4, save_path="loop", save_type="ckpt")
    for step, batch in enumerate(batches, start=1):
        trainer.train_one_step(batch)
        if step % 5 == 0:
            print("looked at", step, trainer.cur_train_step)
    print("steps", step)
