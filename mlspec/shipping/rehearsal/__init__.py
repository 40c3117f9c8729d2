"""Shipping on this machine, with no account: an emulated control plane, a registry, real containers, one endpoint."""
