"""Hydra instantiates only plugins in a package called hydra_plugins; this module is mlspec's part of it."""

from mlspec.run import sweeper


class SpecSweeper(sweeper.BaseSpecSweeper):
    """The sweeper that `conf/config.yaml` names."""
