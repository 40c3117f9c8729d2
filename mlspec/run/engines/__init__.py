"""What carries stages out: each module satisfies `protocol.py`, and the runner knows no more of it than that."""
