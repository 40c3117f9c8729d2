"""The language: what a spec may say, and how a Document becomes a checked, completed Project. Pure; no I/O."""
