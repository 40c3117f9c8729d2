"""What a project costs in a month: a dated list of prices, and an estimate from the spec."""
