"""The sections of `mlproject.yaml`, one module each: what users may write, with types, limits and descriptions.

The modules import `mlspec.spec` and each other only. What a section does is in the part that owns it.
"""
