"""What one `apply` does, as a value: planned, checked, saved, carried out."""
