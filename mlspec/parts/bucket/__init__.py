"""`bucket`: the S3 bucket of a project."""
