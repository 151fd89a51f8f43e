"""Pre-trained models and public data sets: lists and downloads them."""

from palm.downloader.pretrain import download, fetch_dataset, fetch_model, ls

__all__ = ["download", "fetch_dataset", "fetch_model", "ls"]
