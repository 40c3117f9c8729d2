"""The images of Amazon ECR, where MiniStack's answers differ from AWS's: run with the Python of its environment.

MiniStack lists an image once, under its last tag; an image that is not there is missing from the answer; and deleting a
tag deletes the image with all its tags.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import ecr

Request = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]
_describe, _delete = ecr._describe_images, ecr._batch_delete_image


def describe_images(request: Request) -> Answer:
    """`DescribeImages`, which fails where one of the images does not exist
    (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html)."""
    name = request["repositoryName"]
    absent = [one for one in request.get("imageIds", ()) if ecr._find_image(name, one) is None]
    if absent and name in ecr._repositories:
        return answered(error_response_json("ImageNotFoundException", f"{absent} not found in {name}", 400))
    return answered(_describe(request))


def list_images(request: Request) -> Answer:
    """`ListImages`, which has an entry for each tag."""
    name, status = request["repositoryName"], request.get("filter", {}).get("tagStatus")
    if name not in ecr._repositories:
        return answered(error_response_json("RepositoryNotFoundException", f"{name} does not exist", 400))
    tags = [(image["imageDigest"], tag) for image in ecr._images[name] for tag in image["imageTags"] or [None]]
    ids = [
        {"imageDigest": digest, **({"imageTag": tag} if tag else {})}
        for digest, tag in tags
        if status in (None, "ANY", "TAGGED" if tag else "UNTAGGED")
    ]
    return answered(json_response({"imageIds": ids}))


def batch_delete_image(request: Request) -> Answer:
    """`BatchDeleteImage`, which deletes a tag, and the image with its last one
    (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html)."""
    name, whole = request["repositoryName"], []
    for one in request["imageIds"]:
        image, tag = ecr._find_image(name, one), one.get("imageTag")
        if image and tag and len(image["imageTags"]) > 1:
            image["imageTags"].remove(tag)
        else:
            whole.append(one)
    return answered(_delete({**request, "imageIds": whole}))


def answered(answer: Any) -> Answer:
    """The answer of a module without types."""
    code, headers, body = answer
    return code, headers, body


def extend() -> None:
    """Replace these answers."""
    ecr._describe_images, ecr._list_images = describe_images, list_images
    ecr._batch_delete_image = batch_delete_image
