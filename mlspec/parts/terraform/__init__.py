"""`terraform`: the infrastructure of a deployment as Terraform modules."""
