"""Every reader of the project, for the fuzzer: one entry of `READERS` each.

An entry has a function that makes samples, what changes them, and what reads the changed file by
its path. What that returns does not matter: it may raise `InputError`, and nothing else.
"""

from typing import NamedTuple

import numpy as np
import reading
import samples
from fuzz_mutations import mutated_bytes, mutated_fields, mutated_text, mutated_words
from samples import alone, folder_of, golden, json_file, written

import caffeformat
from fcnkit import data_prep, datasets, images
from fcnkit.data_prep.layouts import image_sets
from fcnkit.datasets import berkeley, berkeley_options
from fcnkit.files import list_elements, read_plain_pickle


class Reader(NamedTuple):
    """How a kind of file is made, changed and read."""

    samples: object
    mutate: object
    read: object


def few_bytes(content, rng):
    """Up to three places changed."""
    return mutated_bytes(content, rng, 3)


READERS = {
    "solver": Reader(
        lambda: golden("small_solver_hdf5.prototxt", "old_solver.prototxt"),
        mutated_text,
        reading.read_solver,
    ),
    "solver state": Reader(
        lambda: golden("small_binaryproto_iter_3.solverstate"),
        few_bytes,
        caffeformat.read_solver_state,
    ),
    "HDF5 weights": Reader(samples.hdf5, mutated_fields, caffeformat.read_caffemodel),
    "HDF5 state": Reader(samples.hdf5, mutated_fields, caffeformat.read_solver_state),
    "mean image": Reader(lambda: golden("mean.binaryproto"), mutated_fields, images.parse_mean),
    "mean text": Reader(
        reading.texts("mean.txt", b"104.00699 116.66877 122.67892 # B G R\n"),
        mutated_words,
        images.parse_mean,
    ),
    "LMDB": Reader(
        lambda: [
            *written(reading.lmdb, "db/data.mdb"),
            *folder_of(samples.GOLDEN / "files/lmdb_encoded_png", "data.mdb"),
        ],
        mutated_fields,
        lambda path: reading.read_database(path, "LMDB"),
    ),
    "LevelDB": Reader(
        lambda: [*written(reading.leveldb), *folder_of(samples.GOLDEN / "files/leveldb_raw")],
        mutated_fields,
        lambda path: reading.read_database(path, "LEVELDB"),
    ),
    "Datum": Reader(
        lambda: [
            alone("d", datum.SerializeToString())
            for datum in (
                caffeformat.array_to_datum(samples.PHOTO, 3),
                caffeformat.array_to_datum(samples.PHOTO.astype(np.float32), 3),
                caffeformat.encoded_datum(samples.image("PNG"), (3, 12, 16), 3),
            )
        ],
        mutated_fields,
        reading.read_datum,
    ),
    "images": Reader(samples.images, mutated_fields, reading.read_image),
    "bands": Reader(samples.bands, mutated_fields, images.read_image),
    "palette": Reader(
        reading.texts("p.txt", reading.PALETTE, *reading.TABLES),
        mutated_words,
        reading.read_palettes,
    ),
    "paletted palette": Reader(
        lambda: [
            alone("p.png", samples.image("PNG", samples.LABEL, palette=True)),
            alone("p.gif", samples.image("GIF")),
        ],
        mutated_fields,
        reading.read_palettes,
    ),
    "class names": Reader(
        reading.texts("c.txt", reading.NAMES, *reading.TABLES), mutated_words, reading.read_palettes
    ),
    "image set": Reader(
        reading.texts("train.txt", b"a 1\nb -1\n", "ä\nb.jpg\n".encode("utf-16"), b'"c d"\n'),
        mutated_words,
        lambda path: image_sets.set_lines(image_sets.decode_list(reading.read(path)), "s"),
    ),
    "Berkeley's list": Reader(
        reading.texts("train.txt", b"2008_000001\n2008_000002\n"), mutated_words, berkeley.read_ids
    ),
    "ImageData": Reader(
        lambda: reading.image_and_lists()["list"],
        mutated_words,
        reading.data_layer("ImageData", "image_data_param", "list"),
    ),
    "WindowData": Reader(
        lambda: reading.image_and_lists()["windows"],
        mutated_words,
        reading.data_layer("WindowData", "window_data_param", "windows"),
    ),
    "tar": Reader(lambda: reading.archives("tar"), mutated_fields, reading.read_archive),
    "packed tar": Reader(
        lambda: reading.archives("tar.gz", "tar.bz2", "tar.xz"),
        mutated_fields,
        reading.read_archive,
    ),
    "zip": Reader(reading.zips, mutated_fields, reading.read_archive),
    "scores": Reader(
        samples.scores, mutated_fields, reading.later("fcnkit.web.samples", "read_scores")
    ),
    "MATLAB": Reader(samples.mat, mutated_fields, reading.read_mat),
    "PASCAL-Context's classes": Reader(
        reading.texts("labels.txt", b"1: accordion\n2: aeroplane\n"),
        mutated_words,
        lambda path: datasets.context_table(path, path),
    ),
    "COCO": Reader(samples.coco, mutated_words, reading.read_coco),
    "JSON lists": Reader(
        samples.coco, mutated_words, lambda path: list(list_elements(reading.chunks(path), "a"))
    ),
    "annotations": Reader(
        lambda: [json_file("a.json", reading.LABELME, **{"a.png": samples.image("PNG")})],
        mutated_words,
        reading.prepare,
    ),
    "pickle": Reader(samples.pickles, mutated_fields, read_plain_pickle),
    "PyTorch": Reader(
        samples.torch_files, mutated_fields, reading.later("fcnkit.state_dicts", "read_state_dict")
    ),
    "safetensors": Reader(
        samples.safetensors, mutated_words, reading.later("fcnkit.state_dicts", "read_state_dict")
    ),
    "our safetensors": Reader(
        lambda: samples.safetensors("F32"),  # the package has no bfloat16 for NumPy
        mutated_words,
        reading.later("fcnkit.export.tensor_files", "read_safetensors"),
    ),
    "MXNet": Reader(
        samples.mxnet, mutated_fields, reading.later("fcnkit.state_dicts", "read_state_dict")
    ),
    "MindSpore": Reader(
        samples.mindspore, mutated_fields, reading.later("fcnkit.state_dicts", "read_state_dict")
    ),
    "ONNX": Reader(
        samples.onnx, mutated_fields, reading.later("fcnkit.runtimes.onnx_net", "read_initializers")
    ),
    "ONNX model": Reader(samples.onnx_models, mutated_fields, reading.segment_onnx),
    "DIGITS job": Reader(
        lambda: written(reading.digits_model, "status.pickle"),
        mutated_fields,
        reading.of_folder(datasets.read_job),
    ),
    "DIGITS model": Reader(
        lambda: written(reading.digits_model, "info.json"),
        mutated_words,
        reading.of_folder(reading.later("fcnkit.digits.models", "DigitsModel")),
    ),
    "run": Reader(
        lambda: written(reading.run, "inference.json"),
        mutated_words,
        reading.of_folder(reading.later("fcnkit.training", "read_run")),
    ),
    "manifest": Reader(
        lambda: [
            json_file(
                "manifest.json",
                {
                    "ignore_label": 255,
                    "splits": {
                        "train": {"class_pixels": {"a": 5, "b": 6}},
                        "val": {"ignored_pixels": 7},
                    },
                },
            )
        ],
        mutated_words,
        reading.read_manifest,
    ),
    "log": Reader(
        reading.texts("train.log", reading.LOG),
        mutated_words,
        reading.later("fcnkit.training.curves", "parse_log"),
    ),
    "Caffe's log": Reader(
        reading.texts("train.log", reading.LOG),
        mutated_words,
        reading.later("torchcaffe.commands.parse_log", "parse_log"),
    ),
    "param_str": Reader(
        reading.texts("p", reading.PARAM_STR),
        mutated_words,
        lambda path: datasets.parse_options(reading.read(path).decode("utf-8", "replace")),
    ),
    "Berkeley's param_str": Reader(
        reading.texts("p", reading.BERKELEY),
        mutated_words,
        lambda path: berkeley_options.parse_options(
            reading.read(path).decode("utf-8", "replace"),
            ["split"],
            {"mean": 0, "seed": 0, "randomize": 0},
            "layer",
        ),
    ),
    "form fields": Reader(reading.forms, mutated_words, reading.send_form),
    "name map": Reader(
        reading.texts("map", b"conv1=conv_1\nfc6 = fc6_conv # by hand\n"),
        mutated_words,
        lambda path: reading.later("fcnkit.surgery", "name_map")([path]),
    ),
    "table of images": Reader(
        reading.texts(
            "t.csv", b"part,image,width,height,problems,ignored,0 a,1 b\ntrain,x,4,5,,0,9,11\n"
        ),
        mutated_words,
        data_prep.read_image_table,
    ),
}
