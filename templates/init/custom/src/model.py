"""The model: any LightningModule whose `forward` takes the inputs by name and returns one value per row."""

import pytorch_lightning as pl
import torch
from torch import Tensor, nn


class Forecaster(pl.LightningModule):
    """Numbers and an embedding of the month, through one hidden layer."""

    def __init__(self, hidden: int = 32, learning_rate: float = 5e-3) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.month = nn.Embedding(13, 4)  # 0 is an unknown month
        self.layers = nn.Sequential(nn.Linear(6 + 4, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        """`numbers` float32 [B, 6] standardised, `categories` int64 [B, 1]. Returns the forecast, float32 [B]."""
        joined = torch.cat([numbers, self.month(categories[:, 0])], dim=1)
        return self.layers(joined)[:, 0]

    def training_step(self, batch: tuple[dict[str, Tensor], Tensor], _: int) -> Tensor:
        """A batch has the inputs by name, and the targets [B]."""
        inputs, targets = batch
        loss = nn.functional.mse_loss(self(**inputs), targets)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(targets))
        return loss

    def validation_step(self, batch: tuple[dict[str, Tensor], Tensor], _: int) -> None:
        """Metrics that are logged here can be monitored: `early_stopping: {monitor: valid/loss}`."""
        inputs, targets = batch
        predicted = self(**inputs)
        self.log("valid/loss", nn.functional.mse_loss(predicted, targets), batch_size=len(targets))
        self.log("valid/mae", nn.functional.l1_loss(predicted, targets), batch_size=len(targets))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW with the learning rate in `model.args`."""
        return torch.optim.AdamW(self.parameters(), lr=self.learning_rate)
