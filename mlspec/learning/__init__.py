"""Code shared by the stages that need torch: datasets, batches, networks, metrics. Only imported by stage processes."""
