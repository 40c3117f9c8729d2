"""CloudFormation: the resources of a deployment as the templates of SAM and the Serverless Framework describe them."""
