"""`deploy`: the Lambda function, and how a new version of it takes over."""
