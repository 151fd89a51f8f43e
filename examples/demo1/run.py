# Demo 1: single task training of MRQA
import palm

if __name__ == "__main__":
    controller = palm.Controller("config.yaml")
    controller.load_pretrain("../../pretrain/minilm-l6-en")
    controller.train()
