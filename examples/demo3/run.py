# Demo 3: several targets, some of which share the parameters of their heads
import palm

if __name__ == "__main__":
    controller = palm.Controller("config.yaml", task_dir="tasks")
    controller.load_pretrain("../../pretrain/minilm-l6-en")
    controller.train()
