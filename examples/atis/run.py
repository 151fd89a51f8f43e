# ATIS: intent and slots on one encoder, then predictions for the test files; score.py compares them with gold
import palm

if __name__ == "__main__":
    controller = palm.Controller("config.yaml")
    controller.load_pretrain("../../pretrain/minilm-l6-en")
    controller.train()
    controller.pred("intent")
    controller.pred("slots")
