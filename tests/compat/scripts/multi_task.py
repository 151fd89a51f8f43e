"""PALM 2's calls for intents and slots over one encoder; the tags of the slots end with a separator each."""

import json

import palm

if __name__ == "__main__":
    encoder, length, size, epochs = "encoder", 64, 4, 4
    config = json.load(open(f"{encoder}/ernie_config.json"))
    width, vocabulary = config["hidden_size"], f"{encoder}/vocab.txt"

    slots_reader = palm.reader.SequenceLabelReader(vocabulary, length, label_map_config="tags.json", seed=0)
    intent_reader = palm.reader.ClassifyReader(vocabulary, length, seed=0)
    slots_reader.load_data("slots.tsv", file_format="tsv", num_epochs=None, batch_size=size)
    intent_reader.load_data(input_file="intents.tsv", batch_size=size, num_epochs=None)
    backbone = palm.backbone.ERNIE.from_config(config)
    slots_reader.register_with(backbone)
    intent_reader.register_with(backbone)

    slots = palm.Trainer("slots", mix_ratio=1.0)
    intent = palm.Trainer("intent", mix_ratio=1.0)
    both = palm.MultiHeadTrainer([slots, intent])
    intent.build_forward(backbone, palm.head.Classify(26, width, 0.1))
    slots.build_forward(backbone, palm.head.SequenceLabel(30, width, 0.1))
    loss = both.build_forward()
    adam = palm.optimizer.Adam(loss, 5e-3, palm.lr_sched.TriangularSchedualer(2, 100))
    both.build_backward(optimizer=adam, weight_decay=0.01)
    both.fit_readers_with_mixratio([slots_reader, intent_reader], "slots", epochs)
    both.load_pretrain(encoder)
    both.set_saver(save_path="both/", save_steps=20)
    both.train(print_steps=10)
    print(both.overall_train_steps, both.cur_train_step, slots.cur_train_step, adam.get_cur_learning_rate() < 5e-3)
