"""Tests of the bucket part."""
