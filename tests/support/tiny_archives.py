"""The datasets of the tutorials, in small, prepared from archives in their published layouts."""

import mat_datasets
from coco_archive import coco_files
from voc_archive import voc_files, write_tar

from fcnkit.data_prep import prepare_coco, prepare_sbd, prepare_voc


def write_datasets(folder):
    """Role of a dataset in the recipes -> its folder in `folder`."""
    archives = {"voc": voc_files(), "sbd": mat_datasets.sbd_files(), "coco": coco_files()}
    paths = {}
    for name, files in archives.items():
        mode = "w" if name == "voc" else "w:gz"
        paths[name] = str(write_tar(folder / f"{name}.tar", files, mode))
    prepare_voc(paths["voc"], folder / "voc")
    prepare_sbd(paths["sbd"], folder / "sbd")
    prepare_coco(paths["coco"], [paths["coco"]], folder / "coco")
    return {name: str(folder / name) for name in archives}
