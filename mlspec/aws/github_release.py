"""What a foundation needs to know of GitHub: the repository that may release, and the account's OIDC provider."""

from __future__ import annotations

import re
from typing import Final

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.resource_tags import PROJECT
from mlspec.errors import StageError

_ISSUER: Final = "token.actions.githubusercontent.com"


def github_repository(target: AwsTarget, given: str) -> str:
    """OWNER/NAME of the repository whose workflows may release: as `given`, else that of the project's folder.

    Raises StageError where neither names one.
    """
    match = re.match(r"https://github\.com/([^/]+/[^/]+)", target.owner.source)
    if repository := given or (match[1] if match else ""):
        return repository
    message = "the role for releases needs the repository on GitHub, and this folder has no such remote"
    raise StageError(message, help="set ci.github.repository: OWNER/NAME")


def has_github_provider(target: AwsTarget) -> bool:
    """Whether the account has GitHub's OIDC provider: it has at most one."""
    return bool(_provider(target))


def own_github_provider(target: AwsTarget, project: str) -> str:
    """The ARN of that provider where this project has created it; "" for that of an account or of another project."""
    arn = _provider(target)
    if not arn:
        return ""
    tags = target.client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=arn).get("Tags", [])
    own = {str(one["Key"]): str(one["Value"]) for one in tags}.get(PROJECT) == project
    return arn if own else ""


def _provider(target: AwsTarget) -> str:
    answer = target.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return next((str(one["Arn"]) for one in answer if str(one["Arn"]).endswith(f"/{_ISSUER}")), "")
