"""Pre-trained models: what there is, and how it comes onto this machine."""

from palm.downloader.pretrain import download, fetch_model, ls

__all__ = ["download", "fetch_model", "ls"]
