"""PALM 2's calls for one text and its class: train, then predict from a checkpoint with the same trainer."""

import json

import palm

if __name__ == "__main__":
    encoder, length, size, epochs, classes = "encoder", 64, 4, 2, 2
    config = json.load(open(f"{encoder}/ernie_config.json"))

    reader = palm.reader.ClassifyReader(f"{encoder}/vocab.txt", length, seed=1)
    reader.load_data("classes.tsv", size, num_epochs=epochs)
    backbone = palm.backbone.ERNIE.from_config(config)
    reader.register_with(backbone)
    head = palm.head.Classify(classes, config["hidden_size"], 0.1)

    trainer = palm.Trainer("review mood")
    loss = trainer.build_forward(backbone, head)
    steps = reader.num_examples * epochs // size
    schedule = palm.lr_sched.TriangularSchedualer(int(0.1 * steps), steps)
    trainer.build_backward(optimizer=palm.optimizer.Adam(loss, 5e-3, schedule), weight_decay=0.01)
    trainer.fit_reader(reader)
    trainer.load_pretrain(f"{encoder}/params")
    trainer.set_saver(save_steps=5, save_path="out/", save_type="ckpt")
    trainer.train(print_steps=5)
    print(trainer.num_examples, trainer.cur_train_step, trainer.cur_train_epoch, trainer.steps_pur_epoch)

    to_predict = palm.reader.ClassifyReader(f"{encoder}/vocab.txt", length, seed=1, phase="predict")
    to_predict.load_data("classes.tsv", size)
    predict_backbone = palm.backbone.ERNIE.from_config(config, phase="predict")
    to_predict.register_with(predict_backbone)
    predict_head = palm.head.Classify(classes, config["hidden_size"], phase="predict")
    trainer.build_predict_forward(predict_backbone, predict_head)
    trainer.load_ckpt("./out/ckpt.step" + str(steps))
    trainer.fit_reader(to_predict, phase="predict")
    trainer.predict(print_steps=2, output_dir="predictions/")
