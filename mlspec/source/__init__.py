"""From text to values that know where they came from."""
