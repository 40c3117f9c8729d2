"""`serverless`: a deployment as services of the Serverless Framework."""
