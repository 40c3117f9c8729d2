"""The sections of `mlproject.yaml`, one module each: the keys, with their types, limits and descriptions.

The modules import `mlspec.spec` and each other only. The part that owns a section decides what it does.
"""
