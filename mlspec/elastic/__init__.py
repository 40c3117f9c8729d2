"""Elasticsearch and Kibana: resources as values, and providers that read, compare and change them."""
