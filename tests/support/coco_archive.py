"""A small COCO: annotations and images."""

import json

import mat_datasets as made
import numpy as np


def coco_files():
    """Names and contents of the files of all archives."""
    random = np.random.RandomState(6)
    categories = [{"id": 1, "name": "person"}, {"id": 5, "name": "airplane"}]
    categories.append({"id": 9, "name": "giraffe"})
    files = {}
    for name, ids in (("train2017", (11, 12)), ("val2017", (13,))):
        images, annotations = [], []
        for id_ in ids:
            file = f"{id_:012}.jpg"
            files[f"{name}/{file}"] = made.encoded(made.photo(random, (40, 50)), "JPEG")
            images.append({"id": id_, "file_name": file, "height": 40, "width": 50})
            for category, box in ((1, (0, 0, 40, 30)), (5, (30, 20, 50, 40)), (9, (0, 30, 9, 40))):
                x0, y0, x1, y1 = box
                annotations.append(
                    {
                        "image_id": id_,
                        "category_id": category,
                        "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
                    }
                )
        # An image with small objects, and one without any of VOC's classes.
        images.append({"id": 90, "file_name": "small.jpg", "height": 40, "width": 50})
        small = {"counts": [0, 5, 1995], "size": [40, 50]}
        annotations.append({"image_id": 90, "category_id": 1, "segmentation": small})
        images.append({"id": 91, "file_name": "none.jpg", "height": 40, "width": 50})
        content = {"images": images, "annotations": annotations, "categories": categories}
        files[f"annotations/instances_{name}.json"] = json.dumps(content).encode()
    return files
