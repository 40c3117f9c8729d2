"""Code shared by the stages that need torch: datasets, batches, networks, metrics. Only imported by stage processes."""

from mlspec.learning.deferred_imports import DeferringFinder

DeferringFinder("torchmetrics").install()
