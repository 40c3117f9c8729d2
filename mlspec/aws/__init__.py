"""Amazon Web Services: names, request bodies, policies, and the resources of a deployment, read and converged."""
