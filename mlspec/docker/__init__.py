"""Docker: its command line, images, containers, and image registries over HTTP."""
