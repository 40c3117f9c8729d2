"""A model of the project's own; the build reads it as text."""

from lightning import LightningModule


class Houses(LightningModule):
    """Price from area, rooms and district."""

    def __init__(self, hidden, signature=None):
        super().__init__()
        self.hidden = hidden

    def training_step(self, batch, index):
        self.log("valid/loss", 0.0)
