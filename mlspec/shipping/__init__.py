"""What brings a bundle to its callers: image registry, Lambda function, rollout, rehearsal. Shared by the stages of several parts."""
