"""`prefect`: a flow, and a deployment for each environment."""
