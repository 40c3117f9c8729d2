"""Tags that keep images: each function has its own, and the policy of who deploys is enough for them and no more."""

from __future__ import annotations

import json
from pathlib import Path

from mlspec.aws.aws_target import AwsTarget
from mlspec.aws.image_retention import ImageTagProvider, other_functions_tags
from mlspec.aws.resources import ImageTags
from tests.aws.functions import converge
from tests.parts.targets import LAMBDA, files
from tests.shipping.cloud import watched

MEDIA = "application/vnd.oci.image.manifest.v1+json"
REPOSITORY = "arn:aws:ecr:eu-west-1:123456789012:repository/cola"


def pushed(target: AwsTarget, name: str) -> str:
    """The digest of an image with that tag."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA,
        "config": {"digest": f"sha256:{name.encode().hex().rjust(64, '0')}"},
    }
    put = target.client("ecr").put_image(repositoryName="cola", imageTag=name, imageManifest=json.dumps(manifest))
    return str(put["image"]["imageId"]["imageDigest"])


def tags(target: AwsTarget) -> set[str]:
    result = target.client("ecr").list_images(repositoryName="cola")["imageIds"]
    return {image["imageTag"] for image in result if "imageTag" in image}


def test_two_functions_of_one_repository_keep_their_own_images(target: AwsTarget, tmp_path: Path) -> None:
    target.client("ecr").create_repository(repositoryName="cola")
    one, other = pushed(target, "v1"), pushed(target, "v2")
    calls = watched(target, ("ecr",))
    for function, kept in (("cola", {"1": one}), ("cola-staging", {"1": other}), ("cola-staging", {"2": other})):
        provider = ImageTagProvider(target, function, release=True)
        converge(provider, "cola", ImageTags("cola", function, kept))
    assert tags(target) == {"v1", "v2", "keep-1", "keep-cola-staging-2"}
    for function, others in (("cola", ["keep-cola-staging-2"]), ("cola-staging", ["keep-1"])):
        existing = ImageTagProvider(target, function).read("cola")
        assert existing is not None
        assert other_functions_tags(existing) == others
    granted = {
        action
        for statement in json.loads(files(tmp_path, LAMBDA)["lambda/deploy-policy.json"])["Statement"]
        if statement["Resource"] == REPOSITORY
        for action in statement["Action"]
    }
    assert calls.actions() <= granted
    assert {"ecr:PutImage", "ecr:BatchDeleteImage"} <= calls.actions()


def test_who_deploys_may_tag_and_untag_in_this_repository_alone(tmp_path: Path) -> None:
    policy = json.loads(files(tmp_path, LAMBDA)["lambda/deploy-policy.json"])
    for statement in policy["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        if any(action.startswith("ecr:") for action in actions) and actions != ["ecr:GetAuthorizationToken"]:
            assert statement["Resource"] == REPOSITORY
            assert not {"ecr:DeleteRepository", "ecr:PutLifecyclePolicy", "ecr:SetRepositoryPolicy"} & set(actions)
