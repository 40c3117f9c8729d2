"""Tests: small perturbations that must not change predictions, and the project's own tests."""
