"""Whole networks from the table of public ones, with weights by formula."""

import csv
import functools
import zlib

import numpy as np

from caffeformat import parse_text, pb


@functools.cache
def _rows(table):
    with open(table, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def network(table, name):
    """The NetParameter of network `name` of the table at path `table`."""
    lines = [f'name: "{name}"']
    for row in _rows(table):
        if row["network"] == name:
            names = {
                key: "".join(f'{key}: "{blob}" ' for blob in row[f"{key}s"].split())
                for key in ("bottom", "top")
            }
            lines.append(
                f'layer {{ name: "{row["layer"]}" type: "{row["type"]}" {names["bottom"]}'
                f"{names['top']}{row['settings']} }}"
            )
    return parse_text("\n".join(lines), pb.NetParameter)


def fill_by_formula(net):
    """Give every parameter of `net` the values that the golden networks were computed with."""
    for name, blobs in net.params.items():
        bilinear = net.layer_dict[name].type == "Deconvolution"
        for index, blob in enumerate(blobs):
            if bilinear:
                blob.data[...] = _bilinear(blob.shape)
                continue
            seed = zlib.crc32(f"{name}:{index}".encode()) & 0x7FFFFFFF
            values = np.random.RandomState(seed).standard_normal(blob.shape)
            spread = 0.1
            if len(blob.shape) > 1:
                spread = np.sqrt(2 / np.prod(blob.shape[1:]))
            blob.data[...] = values * spread


def _bilinear(shape):
    """The interpolating kernel: on the diagonal, or in every filter where grouped."""
    size = shape[3]
    half = (size + 1) // 2
    row = 1 - np.abs(np.arange(size) / half - (size - 1) / (2 * half))
    kernel = np.outer(row, row)
    if shape[1] == 1:
        return np.broadcast_to(kernel, shape)
    return np.eye(shape[0])[:, :, None, None] * kernel
