"""The Serverless Framework: the services that `mlspec build` generates, packaged and deployed by its command line."""
