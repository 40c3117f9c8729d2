"""What the generated tests of a project call: measurements of data, models and servers, whose results they assert."""

from mlspec.learning.deferred_imports import DeferringFinder

DeferringFinder("torchmetrics").install()
