"""Pre-trained models and public data sets: what there is, and how it comes onto this machine."""

from palm.downloader.pretrain import download, fetch_dataset, fetch_model, ls

__all__ = ["download", "fetch_dataset", "fetch_model", "ls"]
