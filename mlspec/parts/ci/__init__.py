"""`ci`: the workflows that test, train and release."""
