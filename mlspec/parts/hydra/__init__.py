"""The configuration of the stage programs: Hydra's `conf/`, experiments and sweeps."""
