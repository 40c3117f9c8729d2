"""Tests: small disturbances that must not change answers, and the project's own tests."""
