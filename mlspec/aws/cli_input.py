"""The resources of a function as JSON that the AWS command line takes (`--cli-input-json`, `--policy-document`). Pure.

What is known only when a person deploys, or belongs to no file, stands as `${NAME}` for `envsubst`: the image's digest,
the AWS account where the spec does not name it, and secrets.
"""

from __future__ import annotations

from pydantic import JsonValue

from mlspec.aws.function_spec import FunctionSpec


def files(spec: FunctionSpec) -> dict[str, dict[str, JsonValue]]:
    """File name in `lambda/` to its content."""
    contents = {"function": spec.function().to_request(), "log-group": spec.log_group().to_request()}
    role, url, api = spec.role(), spec.url(), spec.api()
    if role is not None and role.rights is not None:
        contents |= {"role-trust": role.trust.to_json(), "role-policy": role.rights.to_json()}
    if url is not None:
        contents["url"] = url.to_request()
    if api is not None:
        contents["api"] = api.to_request()
    contents |= {f"alarm-{one.measure.replace('_', '-')}": one.to_request() for one in spec.alarms()}
    return contents
