"""What brings a bundle into service: image registry, Lambda function, rollout, rehearsal. Stages' bodies use it."""
