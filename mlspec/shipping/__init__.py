"""What brings a bundle to its callers: image registry, Lambda function, rollout, rehearsal. Stages' bodies use it."""
