"""The engines, which run stages: each satisfies the `Engine` protocol, the only interface that the runner uses."""
