"""`registry`: where images are pushed to."""
