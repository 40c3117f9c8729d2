"""Terraform: the modules that `mlspec build` generates, planned and applied by its command line."""
