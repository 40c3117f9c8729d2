"""The confusion matrix as a picture in a file of its own."""

from __future__ import annotations

from xml.etree import ElementTree

from mlspec.render.confusion_matrix import Confusion, matrix_file


def test_labels_have_the_order_of_the_schema_and_unknown_ones_come_last() -> None:
    confusion = Confusion.of([("b", "a"), ("10", "b"), ("9", "x"), ("b", "a")], ["b", "unused", "a"])
    assert confusion is not None
    assert confusion.labels == ("b", "a", "9", "10", "x")
    assert confusion.counts["b", "a"] == 2
    assert Confusion.of([], ["a"]) is None


def test_a_file_is_sound_whatever_the_labels_are() -> None:
    labels = ("<script>alert(1)</script>", "a & b", "\u4e2d\x00\x1b")
    text = matrix_file(Confusion(labels, {(labels[0], labels[1]): 3, (labels[2], labels[2]): 1}))
    assert text is not None
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not root.findall(".//{*}script")
    assert "".join(root.itertext()).count("a & b predicted as a & b") == 1
    assert matrix_file(Confusion(tuple(map(str, range(101))), {("1", "2"): 1})) is None
