"""CloudFormation: stacks as they are in an account, and the SAM command line that changes them."""
