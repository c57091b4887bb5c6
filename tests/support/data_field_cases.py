"""For every field of the layers that bring data, or write it, a net in which it shows."""

from field_effects import Bench

# Layer type -> its bench, or several, whose `fields` name every field that has an effect
CASES = {
    "Data": Bench(
        [],
        'source: "@/db" backend: LMDB batch_size: 2',
        {
            "source": 'source: "@/other_db"',
            "batch_size": "batch_size: 3",
            "rand_skip": "rand_skip: 5",
            "backend": ("backend: LEVELDB", "set the backend to LMDB"),
        },
        tops=2,
    ),
    "DenseImageData": [
        Bench(
            [],
            'source: "@/pairs.txt" batch_size: 2',
            {
                "source": 'source: "@/other_pairs.txt"',
                "batch_size": "batch_size: 3",
                "rand_skip": "rand_skip: 5",
                "shuffle": "shuffle: true",
                "new_height": "new_height: 4 new_width: 8",
                "new_width": "new_height: 6 new_width: 5",
                "is_color": "is_color: false",
                "mirror": "mirror: true",
                "crop_height": "crop_height: 4 crop_width: 8",
                "crop_width": "crop_height: 6 crop_width: 5",
            },
            tops=2,
        ),
        Bench(
            [],
            'source: "@/bare_pairs.txt" batch_size: 2 root_folder: "@/"',
            {"root_folder": 'root_folder: "@/other"'},
            tops=2,
        ),
    ],
    "DummyData": [
        Bench(
            [],
            "shape { dim: 2 dim: 3 }",
            {
                "data_filler": "data_filler { value: 2 }",
                "shape": "-shape shape { dim: 4 }",
            },
        ),
        Bench(
            [],
            "num: 2 channels: 2 height: 2 width: 2",
            {name: f"-{name} {name}: 3" for name in ("num", "channels", "height", "width")},
        ),
    ],
    "HDF5Data": Bench(
        [],
        'source: "@/rows.txt" batch_size: 3',
        {
            "source": 'source: "@/other_rows.txt"',
            "batch_size": "batch_size: 2",
            "shuffle": "shuffle: true",
        },
    ),
    "HDF5Output": Bench(
        ["2x3", "2<3"], 'file_name: "@/out.h5"', {"file_name": 'file_name: "@/o.h5"'}, tops=0
    ),
    "ImageData": [
        Bench(
            [],
            'source: "@/list.txt" batch_size: 2',
            {
                "source": 'source: "@/other_list.txt"',
                "batch_size": "batch_size: 3",
                "rand_skip": "rand_skip: 5",
                "shuffle": "shuffle: true",
                "new_height": "new_height: 4 new_width: 8",
                "new_width": "new_height: 6 new_width: 5",
                "is_color": "is_color: false",
            },
            tops=2,
        ),
        Bench(
            [],
            'source: "@/bare_list.txt" batch_size: 2 root_folder: "@/images/"',
            {"root_folder": 'root_folder: "@/other_images/"'},
            tops=2,
        ),
    ],
    "ImageSegData": [
        Bench(
            [],
            'source: "@/pairs.txt" batch_size: 2 label_type: PIXEL',
            {
                "source": 'source: "@/other_pairs.txt"',
                "batch_size": "batch_size: 3",
                "rand_skip": "rand_skip: 5",
                "shuffle": "shuffle: true",
                "is_color": "is_color: false",
                "label_type": "label_type: NONE",
            },
            tops=3,
        ),
        Bench(
            [],
            'source: "@/pairs.txt" batch_size: 2 label_type: NONE',
            {
                "ignore_label": "ignore_label: 7",
                "new_height": "new_height: 4 new_width: 8",
                "new_width": "new_height: 6 new_width: 5",
            },
            tops=3,
        ),
        Bench(
            [],
            'source: "@/bare_pairs.txt" batch_size: 2 root_folder: "@/" label_type: PIXEL',
            {"root_folder": 'root_folder: "@/other"'},
            tops=2,
        ),
    ],
    "Input": Bench([], "shape { dim: 2 dim: 3 }", {"shape": "-shape shape { dim: 4 }"}),
    "MemoryData": Bench(
        [],
        "batch_size: 2 channels: 3 height: 4 width: 5",
        {name: f"{name}: 1" for name in ("batch_size", "channels", "height", "width")},
        tops=2,
    ),
    "Parameter": Bench([], "shape { dim: 2 dim: 3 }", {"shape": "-shape shape { dim: 4 }"}),
    "WindowData": [
        Bench(
            [],
            'source: "@/windows.txt" batch_size: 4',
            {
                "source": 'source: "@/other_windows.txt"',
                "scale": "scale: 0.5",
                "batch_size": "batch_size: 5",
                "fg_threshold": "fg_threshold: 0.7",
                "bg_threshold": "bg_threshold: 0.3",
                "fg_fraction": "fg_fraction: 0.75",
                "context_pad": "context_pad: 1",
                "crop_mode": 'crop_mode: "square"',
            },
            tops=2,
        ),
        Bench(
            [],
            'source: "@/bare_windows.txt" batch_size: 4 root_folder: "@/images/"',
            {"root_folder": 'root_folder: "@/other_images/"'},
            tops=2,
        ),
    ],
}
