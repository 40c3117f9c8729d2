"""Export: the trained model to a bundle for serving, verified against the trained model."""
