"""From the text of the spec to values with their positions; and facts about the project's files."""
