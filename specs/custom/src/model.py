"""A custom model and data module."""

from typing import Any

import pyarrow.parquet as pq
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, WeightedRandomSampler

from mlspec.runtime.preprocess import Preprocess


class Ranker(pl.LightningModule):
    """Classifies rows of two numbers and a country."""

    def __init__(self, labels: list[str], hidden: int = 16) -> None:
        super().__init__()
        self.country = nn.Embedding(300, 4)
        self.layers = nn.Sequential(nn.Linear(6, hidden), nn.ReLU(), nn.Linear(hidden, len(labels)))

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        return self.layers(torch.cat([numbers, self.country(categories[:, 0])], dim=1))

    def training_step(self, batch: tuple[dict[str, Tensor], Tensor], _: int) -> Tensor:
        return nn.functional.cross_entropy(self(**batch[0]), batch[1])

    def validation_step(self, batch: tuple[dict[str, Tensor], Tensor], _: int) -> None:
        self.log("valid/loss", nn.functional.cross_entropy(self(**batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters())


class Clicks(pl.LightningDataModule):
    """Batches with about as many clicked rows as others."""

    def __init__(self, preprocess: Preprocess, batch_size: int = 256, folder: str = "artifacts/data") -> None:
        super().__init__()
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.folder = folder

    def _rows(self, split: str) -> list[tuple[dict[str, Any], int]]:
        table = pq.read_table(f"{self.folder}/{split}.parquet")
        return list(zip(self.preprocess.features(table.to_pylist()), table["clicked"].to_pylist(), strict=True))

    def train_dataloader(self) -> DataLoader:
        rows = self._rows("train")
        clicked = sum(target for _, target in rows)
        weights = [1 / clicked if target else 1 / (len(rows) - clicked) for _, target in rows]
        return DataLoader(rows, self.batch_size, sampler=WeightedRandomSampler(weights, len(rows)))

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self._rows("valid"), self.batch_size)
