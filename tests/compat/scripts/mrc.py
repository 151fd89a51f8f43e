"""PALM 2's calls for reading comprehension, with the keywords of its head."""

import json

import palm

if __name__ == "__main__":
    encoder, length, size, lower = "encoder", 96, 4, True
    config = json.load(open(f"{encoder}/ernie_config.json"))
    width, vocabulary = config["hidden_size"], f"{encoder}/vocab.txt"

    reader = palm.reader.MRCReader(vocabulary, length, 16, 32, do_lower_case=lower)
    reader.load_data("questions.json", file_format="json", num_epochs=1, batch_size=size)
    backbone = palm.backbone.ERNIE.from_config(config)
    reader.register_with(backbone)
    head = palm.head.MRC(16, width, do_lower_case=lower, max_ans_len=12)
    trainer = palm.Trainer("answers")
    loss = trainer.build_forward(backbone, head)
    trainer.build_backward(optimizer=palm.optimizer.Adam(loss, 1e-3), weight_decay=0.01)
    trainer.fit_reader(reader)
    trainer.load_pretrain(f"{encoder}/params")
    trainer.train(print_steps=1)

    to_predict = palm.reader.MRCReader(vocabulary, length, 16, 32, do_lower_case=lower, phase="predict")
    to_predict.load_data("questions.json", size)
    predict_head = palm.head.MRC(
        16, width, "predictions", verbose=False, do_lower_case=lower, max_ans_len=12, phase="predict"
    )
    trainer.build_predict_forward(palm.backbone.ERNIE.from_config(config, phase="predict"), predict_head)
    trainer.fit_reader(to_predict, phase="predict")
    trainer.predict(print_steps=1)
