"""The model: any LightningModule whose `forward` takes the inputs by name and gives one value a row."""

import pytorch_lightning as pl
import torch
from torch import Tensor, nn


class Forecaster(pl.LightningModule):
    """Numbers and an embedding of the month, through one hidden layer."""

    def __init__(self, hidden: int = 32, learning_rate: float = 5e-3) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.month = nn.Embedding(13, 4)  # 0 stands for a month never seen
        self.layers = nn.Sequential(nn.Linear(6 + 4, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """`numbers` float32 [B, 6] standardised, `categories` int64 [B, 1]; the forecast, float32 [B]."""
        joined = torch.cat([numbers, self.month(categories[:, 0])], dim=1)
        return self.layers(joined)[:, 0]

    def training_step(self, batch: tuple[dict[str, Tensor], Tensor], _: int) -> Tensor:
        """A batch is the inputs by name, and the targets [B]."""
        inputs, targets = batch
        loss = nn.functional.mse_loss(self(**inputs), targets)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(targets))
        return loss

    def validation_step(self, batch: tuple[dict[str, Tensor], Tensor], _: int) -> None:
        """What is logged here can be watched: `early_stopping: {monitor: valid/loss}`."""
        inputs, targets = batch
        found = self(**inputs)
        self.log("valid/loss", nn.functional.mse_loss(found, targets), batch_size=len(targets))
        self.log("valid/mae", nn.functional.l1_loss(found, targets), batch_size=len(targets))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW at the learning rate of `model.args`."""
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate)
