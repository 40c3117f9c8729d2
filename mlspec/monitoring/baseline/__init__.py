"""What live data is compared with: the training data and the predictions on the test split, as plain numbers."""
