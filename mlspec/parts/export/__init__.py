"""Export: the trained model as a bundle that serving loads, and the proof that it answers the same."""
