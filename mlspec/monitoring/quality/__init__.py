"""Quality of a deployed model: measured with labels, estimated without them, compared between two versions."""
