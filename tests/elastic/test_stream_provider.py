"""Which changes of a field need a new index: what mlspec says against what a real server does."""

from __future__ import annotations

from itertools import product

from elasticsearch import BadRequestError, Elasticsearch

from mlspec.elastic.stream_provider import changed_fields
from tests.runtime.elastic_proxy import ElasticProxy, cluster

FIELDS = {
    "number": {"type": "double", "ignore_malformed": True},
    "category": {"type": "keyword", "ignore_above": 1024},
    "image": {"type": "keyword", "index": False, "doc_values": False, "ignore_above": 64},
    "text": {"type": "match_only_text"},
    "group": {"type": "object", "properties": {"x": {"type": "keyword"}}},
}


def test_a_server_refuses_the_changes_for_which_a_new_index_is_planned() -> None:
    planned, refused = {}, {}
    with cluster() as url:
        proxy = ElasticProxy(url)
        with Elasticsearch(proxy.url, api_key="key") as client:
            for number, (old, new) in enumerate(product(FIELDS, FIELDS)):
                index = f"changed-{number}"
                client.indices.create(index=index, mappings={"properties": {"x": FIELDS[old]}})
                planned[old, new] = any(changed_fields({"x": FIELDS[new]}, {"x": FIELDS[old]}))
                try:
                    client.indices.put_mapping(index=index, properties={"x": FIELDS[new]})
                    refused[old, new] = False
                except BadRequestError:
                    refused[old, new] = True
        proxy.close()
    assert planned == refused
    assert sum(refused.values()) == 20
