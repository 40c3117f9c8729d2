"""What can run stages: DVC, or nothing but a display of the plan."""
