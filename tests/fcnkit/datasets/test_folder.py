import json
import subprocess
import sys

import numpy as np
import pytest
from lmdb_folders import make_folders, photo

from caffeformat import InputError
from fcnkit.commands import main
from fcnkit.data_prep import create_lmdb, find_splits
from fcnkit.datasets import DatasetFolder
from fcnkit.images import voc_palette

LABEL = np.array([[0, 1, 1, 255]] * 5, np.uint8)


@pytest.fixture
def databases(tmp_path):
    """A folder of two databases: two training images and one validation image."""
    folder = make_folders(tmp_path / "in" / "train", [photo(4, 5)] * 2, [LABEL] * 2)
    make_folders(tmp_path / "in" / "val", [photo(4, 5)], [LABEL * 0])
    train, val = find_splits(folder.parent)
    create_lmdb(train, val, tmp_path / "db", ["sky", "sea", "sand"])
    return tmp_path / "db"


def test_a_dataset_folder_knows_its_names_palette_and_counts(databases):
    with DatasetFolder(databases) as folder:
        assert folder.names == ["sky", "sea", "sand"]
        assert np.array_equal(folder.palette, voc_palette())
        assert folder.count("train") == 2 and folder.count("val") == 1
        assert folder.class_pixels("train").tolist() == [10, 20, 0]
        assert folder.class_pixels("val").tolist() == [20, 0, 0]
        assert folder.ignored_pixels("train") == 10 and folder.ignored_pixels("val") == 0
        assert folder.ignore == 255 and folder.manifest["backend"] == "lmdb"


def test_a_split_is_opened_once(databases):
    with DatasetFolder(databases) as folder:
        first = folder.split("train")
        assert folder.split("train") is first
        folder.close()
        again = folder.split("train")
        assert again is not first and np.array_equal(again.label(0), LABEL)


def test_folders_of_images_have_no_counts_and_their_labels_palette(tmp_path):
    make_folders(tmp_path / "val", [photo(4, 5)], [LABEL])
    folder = DatasetFolder(tmp_path)
    assert folder.names is None and folder.manifest == {}
    assert folder.class_pixels("val") is None and folder.ignored_pixels("val") is None
    assert folder.has("val") and not folder.has("train")
    assert np.array_equal(folder.palette, voc_palette())
    with pytest.raises(InputError, match="expected train_db/features"):
        folder.split("train")


@pytest.mark.parametrize(
    "damage",
    ["{", "[]", '{"splits": 7}', '{"splits": {"train": []}}'],
)
def test_a_damaged_manifest_counts_as_none(databases, damage):
    (databases / "manifest.json").write_text(damage)
    folder = DatasetFolder(databases)
    assert folder.class_pixels("train") is None and folder.ignored_pixels("train") is None


def test_counts_that_are_not_numbers_are_ignored(databases):
    manifest = json.loads((databases / "manifest.json").read_text())
    manifest["splits"]["train"].update(class_pixels={"sky": "many"}, ignored_pixels=None)
    (databases / "manifest.json").write_text(json.dumps(manifest))
    folder = DatasetFolder(databases)
    assert folder.class_pixels("train") is None and folder.ignored_pixels("train") is None


def test_datasets_load_no_engine():
    program = (
        "import fcnkit.datasets, sys; sys.exit('torch' in sys.modules or 'caffe' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", ["valid", "validation"])
def test_a_validation_set_of_another_name_is_not_left_out(tmp_path, name, capsys):
    for split in ("train", name):
        make_folders(tmp_path / split, [photo(4, 5)], [LABEL])
    with pytest.raises(InputError, match=f"validation set is called {name}, expected val: rename"):
        find_splits(tmp_path)
    assert main.main(["check_dataset", str(tmp_path)]) == 1
    assert f"is called {name}, expected val" in capsys.readouterr().err
    (tmp_path / name).rename(tmp_path / "val")
    assert len(find_splits(tmp_path)[1]) == 1


@pytest.mark.parametrize("name", ["val", "valid"])
def test_sets_within_images_and_labels_are_not_mixed(tmp_path, name, capsys):
    for split in ("train", name):
        folder = make_folders(tmp_path / "in" / split, [photo(4, 5)], [LABEL])
        for kind in ("images", "labels"):
            (tmp_path / kind).mkdir(exist_ok=True)
            (folder / kind).rename(tmp_path / kind / split)
    with pytest.raises(InputError, match=rf"images/train and .*images/{name} seem to be sets"):
        find_splits(tmp_path)
    assert main.main(["check_dataset", str(tmp_path)]) == 1
    assert "let prepare_data write train and val" in capsys.readouterr().err
    for split in ("train", "val"):  # what is read where both are there
        make_folders(tmp_path / split, [photo(4, 5)], [LABEL])
    assert [len(pairs) for pairs in find_splits(tmp_path)] == [1, 1]
