"""The roles of GitHub's workflows in an emulated account that knows rights: how a person creates them, and a job assumes one.

`python -m tests.integration.account_roles ROLE REGION` prints the variables with which a job acts as the role. The
account reads the claims of the token and the trust of the role as AWS does; it checks no signature of the token.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from tests.shipping.stack_account import ACCOUNT

_ISSUER: Final = "token.actions.githubusercontent.com"
_NAMES: Final = {"release": "release", "data": "data-write", "data-read": "data-read"}
"""Value of a GitHub variable in these tests to the end of a role's name."""
_FILES: Final = {
    "release": ("lambda/github-trust.json", ("lambda/deploy-policy.json",)),
    "data-write": ("s3/write-trust.json", ("s3/write-policy.json", "lambda/monitor-policy.json")),
    "data-read": ("s3/read-trust.json", ("s3/read-policy.json",)),
}
"""End of a role's name to the files that a person creates it from: the trust and the policies."""


def create_roles(root: Path, iam: Any) -> None:
    """Create the roles of a project from its generated files, as docs/howto/github-actions.md says, and GitHub's provider."""
    iam.create_open_id_connect_provider(Url=f"https://{_ISSUER}", ClientIDList=["sts.amazonaws.com"])
    for end, (trust, policies) in _FILES.items():
        name = f"{root.name}-{end}"
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(root / trust), MaxSessionDuration=7200)
        for policy in filter(lambda policy: (root / policy).is_file(), policies):
            iam.put_role_policy(RoleName=name, PolicyName=Path(policy).stem, PolicyDocument=_document(root / policy))


def token(subject: str) -> str:
    """A token as GitHub's provider gives it to a job, but for its signature."""
    claims = {"iss": f"https://{_ISSUER}", "aud": "sts.amazonaws.com", "sub": subject}
    parts = ({"alg": "RS256", "typ": "JWT"}, claims, {})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def assumed(sts: Any, project: str, role: str, subject: str) -> dict[str, str]:
    """The credentials of a role, as environment variables."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/{project}-{_NAMES[role]}"
    answer = sts.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="job", WebIdentityToken=token(subject))
    given = answer["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


def _document(file: Path) -> str:
    return file.read_text(encoding="utf-8").replace("${AWS_ACCOUNT_ID}", ACCOUNT)


def _assume(role: str, region: str) -> None:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    address, subjects = os.environ["AWS_STAND_IN"], json.loads(os.environ["SUBJECTS"])
    sts = boto3.client("sts", endpoint_url=address, region_name=region, config=Config(signature_version=UNSIGNED))
    variables = assumed(sts, os.environ["PROJECT"], role, subjects[os.environ["GITHUB_JOB"]])
    own = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_ENDPOINT_URL": address}
    sys.stdout.writelines(f"{name}={value}\n" for name, value in {**variables, **own}.items())


if __name__ == "__main__":
    _assume(*sys.argv[1:])
