"""Writes palette.json, iou.json and rle.json: test vectors that fcnkit and digits_plugin share.

Everything is computed here by the definitions, in loops over plain lists and without NumPy or any
code of the project, so that both implementations are held to the same independent answers.
Run it from anywhere: python tests/vectors/make_vectors.py
"""

import json
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))


def voc_colour(index):
    """R G B of a PASCAL VOC class: bits 0, 1, 2 of the index go to r, g, b, highest place first."""
    rgb = [0, 0, 0]
    for place in range(7, -1, -1):
        for channel in range(3):
            rgb[channel] |= ((index >> channel) & 1) << place
        index >>= 3
    return rgb


def iou_case(name, classes, truth, predicted):
    """One case: confusion matrix (rows truth), IoU (null where undefined), means, 255 left out."""
    matrix = [[0] * classes for _ in range(classes)]
    for truth_row, predicted_row in zip(truth, predicted):
        for t, p in zip(truth_row, predicted_row):
            if t != 255:
                matrix[t][p] += 1
    ious = []
    for i in range(classes):
        union = sum(matrix[i]) + sum(row[i] for row in matrix) - matrix[i][i]
        ious.append(float(matrix[i][i]) / union if union else None)
    known = [value for value in ious if value is not None]
    total = sum(sum(row) for row in matrix)
    right = sum(matrix[i][i] for i in range(classes))
    return {
        "name": name,
        "classes": classes,
        "ignore": 255,
        "truth": truth,
        "predicted": predicted,
        "confusion": matrix,
        "iou": ious,
        "mean_iou": sum(known) / len(known) if known else None,
        "pixel_accuracy": float(right) / total if total else None,
    }


def rle_case(name, mask):
    """One case: run lengths down the columns beginning with zeros, and COCO's string of them."""
    counts, value = [0], 0
    for x in range(len(mask[0])):
        for y in range(len(mask)):
            if mask[y][x] != value:
                value = mask[y][x]
                counts.append(0)
            counts[-1] += 1
    return {
        "name": name,
        "size": [len(mask), len(mask[0])],
        "mask": mask,
        "counts": counts,
        "string": coco_string(counts),
    }


def coco_string(counts):
    """Groups of 5 bits, lowest first, of each count's difference to the one two before it."""
    text = ""
    for i, count in enumerate(counts):
        number = count - counts[i - 2] if i > 2 else count
        while True:
            group = number & 31
            number >>= 5
            done = number == (-1 if group & 16 else 0)
            text += chr(48 + group + (0 if done else 32))
            if done:
                break
    return text


def write(name, document):
    """Writes one file, a case a line, so that a change shows as a line."""
    head = {key: document[key] for key in document if key != "cases"}
    lines = ",\n".join(json.dumps(case, sort_keys=True) for case in document["cases"])
    text = json.dumps(head, sort_keys=True)[:-1] + ', "cases": [\n' + lines + "\n]}\n"
    with open(os.path.join(HERE, name), "w") as f:
        f.write(text)


def main():
    """Writes the three files beside this one."""
    rng = random.Random(20240501)

    def noise(height, width, values):
        return [[rng.choice(values) for _ in range(width)] for _ in range(height)]

    write(
        "palette.json",
        {
            "about": "PASCAL VOC palette: R G B of index 0 to 255",
            "cases": [{"index": i, "rgb": voc_colour(i)} for i in range(256)],
        },
    )
    same = noise(6, 7, [0, 1, 2])
    write(
        "iou.json",
        {
            "about": "confusion (rows: truth), IoU, its mean over classes that occur; 255 ignored",
            "cases": [
                iou_case("all right", 3, same, same),
                iou_case("noise", 4, noise(9, 11, [0, 1, 2, 3]), noise(9, 11, [0, 1, 2, 3])),
                iou_case("with ignore", 3, noise(8, 5, [0, 1, 2, 255]), noise(8, 5, [0, 1, 2])),
                iou_case("class in truth only", 3, [[0, 2, 2]], [[0, 0, 0]]),
                iou_case("class in prediction only", 3, [[0, 0, 0]], [[0, 0, 2]]),
                iou_case("all wrong", 2, [[0, 1], [1, 0]], [[1, 0], [0, 1]]),
                iou_case("all ignored", 2, [[255, 255]], [[0, 1]]),
                iou_case("one pixel", 21, [[15]], [[15]]),
                iou_case("many classes", 40, [[39, 0, 20]], [[39, 20, 20]]),
            ],
        },
    )
    blob = [[1 if (x - 20) ** 2 + (y - 15) ** 2 < 120 else 0 for x in range(40)] for y in range(30)]
    write(
        "rle.json",
        {
            "about": "COCO run lengths: down the columns, zeros first; string as in COCO's files",
            "cases": [
                rle_case("empty", [[0, 0, 0], [0, 0, 0]]),
                rle_case("full", [[1, 1, 1], [1, 1, 1]]),
                rle_case("one pixel set", [[1]]),
                rle_case("one pixel unset", [[0]]),
                rle_case("first set", [[1, 0], [0, 0]]),
                rle_case("last set", [[0, 0], [0, 1]]),
                rle_case("one row", [[0, 1, 1, 0, 1]]),
                rle_case("one column", [[0], [1], [1], [0]]),
                rle_case("checkers", [[(x + y) % 2 for x in range(6)] for y in range(5)]),
                rle_case("disc", blob),
                rle_case("noise", noise(13, 17, [0, 1])),
                rle_case("long runs", [[1 if x == 90 else 0 for x in range(100)]] * 40),
            ],
        },
    )


if __name__ == "__main__":
    main()
