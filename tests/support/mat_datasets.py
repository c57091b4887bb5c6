"""Small datasets in the layouts of SBD, PASCAL-Context, NYUDv2 and SIFT Flow: name -> bytes."""

import io

import numpy as np
import pytest
from PIL import Image

SCENES = "spatial_envelope_256x256_static_8outdoorcategories"
CONTEXT_LABELS = b"1: accordion\n2: aeroplane\n3: bedclothes\n4: cloth\n5: table\n6: night stand\n"
CONTEXT_59 = b"1: aeroplane\n2: bedcloth\n3: clothes\n4: diningtable\n5: nightstand\n"


def encoded(array, form):
    """An array as the bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, form)
    return file.getvalue()


def mat(**variables):
    """The bytes of a MATLAB file, compressed as the datasets' are."""
    savemat = pytest.importorskip("scipy.io").savemat
    file = io.BytesIO()
    savemat(file, variables, do_compression=True)
    return file.getvalue()


def sbd_mat(label):
    """GTcls as in SBD: a struct of Boundaries, Segmentation and CategoriesPresent."""
    return mat(
        GTcls={
            "Boundaries": np.zeros((20, 1)),
            "Segmentation": label,
            "CategoriesPresent": np.unique(label)[:, None],
        }
    )


def photo(random, size):
    return random.randint(0, 256, (*size, 3)).astype(np.uint8)


def id_list(ids):
    return "".join(f"{id_}\n" for id_ in ids).encode()


def sbd_files(train=("2008_000001", "2008_000002"), val=("2008_000003",), root="benchmark_RELEASE"):
    random = np.random.RandomState(1)
    files = {}
    for id_ in (*train, *val):
        size = tuple(random.randint(20, 40, 2))
        files[f"{root}/dataset/img/{id_}.jpg"] = encoded(photo(random, size), "JPEG")
        label = random.choice([0, 1, 15, 20], size).astype(np.uint8)
        files[f"{root}/dataset/cls/{id_}.mat"] = sbd_mat(label)
        files[f"{root}/dataset/inst/{id_}.mat"] = mat(GTinst={"Segmentation": label})
    files[f"{root}/dataset/train.txt"] = id_list(train)
    files[f"{root}/dataset/val.txt"] = id_list(val)
    return files


def context_files(ids):
    """The annotations of VOC 2010's images: trainval/<id>.mat and both lists of classes."""
    random = np.random.RandomState(2)
    files = {"labels.txt": CONTEXT_LABELS, "59_labels.txt": CONTEXT_59}
    for id_, size in ids.items():
        label = random.randint(1, 7, size).astype(np.uint16)
        files[f"trainval/{id_}.mat"] = mat(LabelMap=label)
    return files


def voc2010_files(sets, sizes):
    """VOC 2010 as far as PASCAL-Context needs it."""
    random = np.random.RandomState(3)
    files = {
        f"VOCdevkit/VOC2010/ImageSets/Main/{name}.txt": id_list(ids) for name, ids in sets.items()
    }
    for id_, size in sizes.items():
        image = encoded(photo(random, size), "JPEG")
        files[f"VOCdevkit/VOC2010/JPEGImages/{id_}.jpg"] = image
    return files


def nyud_files(trainval=("5001", "5003"), test=("5002",), size=(24, 32)):
    random = np.random.RandomState(4)
    files = {"nyud/trainval.txt": id_list(trainval), "nyud/test.txt": id_list(test)}
    for id_ in (*trainval, *test):
        for kind in ("images", "hha"):
            files[f"nyud/data/{kind}/img_{id_}.png"] = encoded(photo(random, size), "PNG")
        depth = random.randint(500, 9000, size).astype(np.uint16)
        files[f"nyud/data/depth/img_{id_}.png"] = encoded(depth, "PNG")
        label = random.randint(0, 41, size).astype(np.uint8)
        files[f"nyud/segmentation/img_{id_}.mat"] = mat(segmentation=label)
    return files


def siftflow_files(ids=("coast_a1", "street_b2", "tall_c3"), size=(16, 16), lists=True):
    random = np.random.RandomState(5)
    files = {}
    for id_ in ids:
        files[f"SiftFlow/Images/{SCENES}/{id_}.jpg"] = encoded(photo(random, size), "JPEG")
        names = np.array([["sky"], ["tree"]], dtype=object)
        semantic = mat(S=random.randint(0, 34, size).astype(np.float64), names=names)
        files[f"SiftFlow/SemanticLabels/{SCENES}/{id_}.mat"] = semantic
        geometric = mat(S=random.choice([-1, 0, 1, 2, 3], size).astype(np.int16), names=names)
        files[f"SiftFlow/GeoLabels/{SCENES}/{id_}.mat"] = geometric
    if lists:
        files["SiftFlow/trainval.txt"] = id_list(ids[:-1])
        files["SiftFlow/test.txt"] = id_list(ids[-1:])
    return files


def write_files(folder, files):
    """Write `files` below `folder`; returns it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def variable(content, name):
    """A variable of a MATLAB file's bytes."""
    return pytest.importorskip("scipy.io").loadmat(io.BytesIO(content))[name]


def pixels(content):
    """The array of an image file's bytes."""
    return np.asarray(Image.open(io.BytesIO(content)))
