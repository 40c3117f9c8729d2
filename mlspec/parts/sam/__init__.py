"""`sam`: the infrastructure and the releases of a deployment as two AWS SAM templates."""
