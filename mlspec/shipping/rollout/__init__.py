"""How a new version takes over from the live one: what is measured, what is decided, and the course of it."""
