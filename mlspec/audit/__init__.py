"""What a project may reach, from its spec, its generated files and its locks: for a review, and for a gate in CI."""
