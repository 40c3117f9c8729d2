"""The language: the keys of a spec, and the checks that turn a Document into a Project. Pure; no I/O."""
