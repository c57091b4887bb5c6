"""COCO's annotations, read piece by piece: right ones whole, damaged ones with our error."""

import copy
import json
import tracemalloc

import pytest

from caffeformat import FormatError
from fcnkit.data_prep.layouts.coco.annotations import read_annotations, segmentation_of
from fcnkit.files import list_elements

BOX = [[0, 0, 4, 0, 4, 4, 0, 4]]
CONTENT = {
    "info": {"year": 2017, "a list": [1, [2, {"x": "]}"}]]},
    "images": [
        {"id": 7, "file_name": "b.jpg", "height": 4, "width": 5},
        {"id": 3, "file_name": "a.jpg", "height": 6, "width": 7},
        {"id": 4, "file_name": "none.jpg", "height": 6, "width": 7},
    ],
    "annotations": [
        {"image_id": 3, "category_id": 1, "segmentation": BOX, "iscrowd": 0},
        {"image_id": 7, "category_id": 6, "segmentation": BOX},
        {"image_id": 3, "category_id": 2, "segmentation": {"counts": [42]}, "iscrowd": 1},
        {"image_id": 4, "category_id": 3, "segmentation": BOX},
    ],
    "categories": [
        {"id": 1, "name": "person"},
        {"id": 2, "name": "couch"},
        {"id": 6, "name": "bus"},
        {"id": 3, "name": "giraffe"},
    ],
}


def read(content, size=10**6):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read_annotations((data[i : i + size] for i in range(0, len(data), size)), "a.json")


@pytest.mark.parametrize("size", [1, 7, 10**6])
@pytest.mark.parametrize("reverse", [False, True])
def test_images_have_vocs_objects_wherever_the_file_is_split_and_in_any_order(size, reverse):
    content = dict(reversed(CONTENT.items())) if reverse else CONTENT
    bus, sofa = read(content, size)
    assert (bus.file, bus.height, bus.width) == ("b.jpg", 4, 5)
    assert [index for index, _ in bus.objects] == [6]
    assert [index for index, _ in sofa.objects] == [15, 18]
    assert segmentation_of(sofa.objects[0][1]) == BOX
    assert segmentation_of(sofa.objects[1][1]) == {"counts": [42]}


def test_a_byte_order_mark_and_spaces_do_no_harm():
    text = json.dumps(CONTENT, indent=3).replace(":", " : ")
    assert len(read(b"\xef\xbb\xbf" + text.encode() + b"\n\n")) == 2


DAMAGE = {
    "image without id": (lambda c: c["images"][0].pop("id"), r"images lacks 'id'.*b\.jpg"),
    "image without height": (lambda c: c["images"][0].pop("height"), "images lacks 'height'"),
    "image without a name": (lambda c: c["images"][0].pop("file_name"), "images lacks 'file_name'"),
    "image of no size": (lambda c: c["images"][0].update(height=0), "whole numbers above 0"),
    "image of half pixels": (lambda c: c["images"][0].update(width=4.5), "whole numbers above 0"),
    "image whose name is a list": (lambda c: c["images"][0].update(file_name=[]), "to be a text"),
    "two images of one id": (lambda c: c["images"][0].update(id=3), "two images have the id 3"),
    "image that is a number": (lambda c: c["images"].insert(0, 5), "in images: expected an object"),
    "id that is a list": (lambda c: c["images"][0].update(id=[7]), "a number or a text"),
    "object without category": (
        lambda c: c["annotations"][0].pop("category_id"),
        "annotations lacks 'category_id'",
    ),
    "object without image": (lambda c: c["annotations"][0].pop("image_id"), "lacks 'image_id'"),
    "object without a mask": (
        lambda c: c["annotations"][0].pop("segmentation"),
        "lacks 'segmentation'",
    ),
    "object of an unknown image": (
        lambda c: c["annotations"][0].update(image_id=99),
        "the image 99, which is not in images",
    ),
    "no images": (lambda c: c.pop("images"), "which is not in images"),
    "no categories": (lambda c: c.pop("categories"), "no category has the name"),
    "category without id": (lambda c: c["categories"][0].pop("id"), "categories lacks 'id'"),
    "category without name": (lambda c: c["categories"][0].update(name=3), "to be a text"),
    "two categories of one id": (lambda c: c["categories"][0].update(id=6), "have the id 6"),
    "a dict for a list": (lambda c: c.update(categories={"1": "person"}), "no category"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_missing_or_wrong_is_named(damage):
    change, words = DAMAGE[damage]
    content = copy.deepcopy(CONTENT)
    change(content)
    with pytest.raises(FormatError, match=rf"a\.json: not in COCO's format: .*{words}"):
        read(content)


@pytest.mark.parametrize("place", range(0, len(json.dumps(CONTENT)), 9))
def test_a_file_that_ends_anywhere_is_refused(place):
    with pytest.raises(FormatError, match="not JSON"):
        read(json.dumps(CONTENT).encode()[:place], 64)


@pytest.mark.parametrize(
    "text",
    [
        b"[]", b"7", b"", b'{"images": [1 2]}', b'{"images": [,]}', b'{"images": [{]}', b"{7: 8}",
        b'{"images" [1]}', b'{"images": [' + b"[" * 10**5, b'{"a": "\xff"}',
        b'{"a": 1' + b"0" * 9999,
        b'{"a": nul}', b'{"images": []} [', b"{} x",
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(text):
    with pytest.raises(FormatError, match="not JSON"):
        list(list_elements([text[:9], text[9:]], "a.json"))


def test_numbers_continue_across_chunks():
    chunks = [b'{"n": 12', b'34, "images": [5', b"6, 7", b"8]}"]
    assert list(list_elements(chunks, "a.json")) == [("images", 56, "56"), ("images", 78, "78")]


def test_an_element_without_end_is_refused_before_it_fills_the_memory():
    def chunks():
        yield b'{"images": ["'
        for _ in range(1 << 10):
            yield b"a" * (1 << 20)

    tracemalloc.start()
    with pytest.raises(FormatError, match="not JSON"):
        list(list_elements(chunks(), "a.json"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 << 20


def test_memory_is_that_of_the_elements_and_not_of_the_file():
    def chunks():
        yield b'{"images": ['
        for _ in range(64):
            yield (b'"' + b"a" * 4093 + b'",') * 16
        yield b"[]]}"

    tracemalloc.start()
    count = sum(1 for _ in list_elements(chunks(), "a.json"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 64 * 16 + 1
    assert peak < 1 << 20  # of 4 MB
