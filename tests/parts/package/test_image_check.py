from __future__ import annotations

import pytest

from mlspec.docker.image_details import parse_details
from mlspec.errors import StageError
from mlspec.parts.package.image_check import architecture, size
from mlspec.sections.package import DockerImage


def test_another_processor_and_too_many_bytes_are_refused_with_their_numbers() -> None:
    details = parse_details({"Architecture": "arm64", "Size": 501_000_000})
    with pytest.raises(StageError, match=r"the image is for arm64, and package.docker.platform is linux/amd64"):
        architecture(details, DockerImage())
    with pytest.raises(StageError, match=r"the image has 501 MB, more than package.docker.max_size: 500MB"):
        size(details, DockerImage(max_size="500MB"))
    assert architecture(details, DockerImage(platform="linux/arm64")) == "arm64"
    assert size(details, DockerImage(max_size="502MB")).bytes == 501_000_000
