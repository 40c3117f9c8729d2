from __future__ import annotations

import pytest

from mlspec.docker.image_details import INDEXES, ImageDetails, parse_details, require_single
from mlspec.errors import StageError


@pytest.mark.parametrize("kind", INDEXES)
def test_an_index_of_images_is_refused(kind: str) -> None:
    with pytest.raises(StageError, match=r"x is an index of images"):
        assert require_single(kind, "x") is None


@pytest.mark.parametrize("kind", ["application/vnd.oci.image.manifest.v1+json", ""])
def test_a_single_image_passes(kind: str) -> None:
    assert require_single(kind, "x") is None


def test_the_output_of_inspect_is_parsed() -> None:
    details = parse_details(
        {
            "Id": "sha256:1",
            "Size": 501,
            "Os": "linux",
            "Architecture": "arm64",
            "Descriptor": {"mediaType": "m"},
            "RepoTags": ["cola:latest"],
            "RepoDigests": ["cola@sha256:2"],
            "RootFS": {"Layers": ["sha256:3"]},
            "Config": {"Labels": {"a": "b"}, "ExposedPorts": {"9000/tcp": {}}},
        }
    )
    assert details == ImageDetails(
        id="sha256:1",
        size=501,
        os="linux",
        architecture="arm64",
        media_type="m",
        tags=("cola:latest",),
        digests=("cola@sha256:2",),
        layers=("sha256:3",),
        labels={"a": "b"},
        ports=(9000,),
    )
    assert details.platform == "linux/arm64"


def test_what_an_engine_leaves_out_is_empty() -> None:
    details = parse_details({"Id": "sha256:1", "RepoTags": None, "Config": {"Labels": None}})
    assert (details.tags, details.labels, details.ports, details.media_type) == ((), {}, (), "")
