# Demo 2: a target task trained with auxiliary tasks, then prediction
import palm

if __name__ == "__main__":
    controller = palm.Controller("config.yaml", task_dir="tasks")
    controller.load_pretrain("../../pretrain/minilm-l6-en")
    controller.train()

    controller = palm.Controller(config="config.yaml", task_dir="tasks", for_train=False)
    controller.pred("mrqa", inference_model_dir="output_model/secondrun/mrqa/infer_model")
