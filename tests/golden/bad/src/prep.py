import numpy as np
import torch
from acme_stats.squashing import expit


class Prep:
    def __call__(self, rows):
        return {"size": np.array([[expit(row["size"])] for row in rows])}


class Unsaved(object):
    def fit(self, rows):
        self.mean = torch.tensor([row["size"] for row in rows]).mean()

    def __call__(self, rows):
        return {"size": np.array([[row["size"] - self.mean] for row in rows])}


class Nothing:
    def __init__(self, bins):
        self.bins = bins
