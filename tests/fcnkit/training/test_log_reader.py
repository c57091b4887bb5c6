"""A log that grows: at each look the rows are those that reading it whole would give."""

import random

import pytest

from caffeformat import InputError
from fcnkit.training import LogReader, parse_log


def lines_of(iteration, outputs=1, test=True):
    text = f"I0101 00:00:00.0 1 solver.cpp:1] Iteration {iteration}, loss = {1 / (iteration + 1)}\n"
    for number in range(outputs):
        text += f"I0101     Train net output #{number}: score = {number + iteration}\n"
    text += f"I0101 00:00:00.0 1 sgd.cpp:1] Iteration {iteration}, lr = 0.01\n"
    if test:
        text += (
            f"I0101 ] Iteration {iteration}, test scores: pixel_accuracy = 0.5, "
            f"mean_iou = {iteration / 100}\n"
        )
    return text


def test_rows_are_those_of_the_whole_log(tmp_path):
    path = tmp_path / "train.log"
    dice = random.Random(0)
    reader = LogReader(path)
    text = "".join(lines_of(n) for n in range(5))
    text += "".join(lines_of(n, outputs=2, test=False) for n in range(5, 9))  # now numbered
    text += "".join(lines_of(n) for n in range(3, 6))  # resumed from an earlier snapshot
    text += "no line of Caffe's \u00e4\r\n\r\n" + lines_of(6).replace("\n", "\r\n")
    text += "".join(lines_of(n, outputs=3) for n in range(7, 60))
    data = text.encode()
    place = 0
    with open(path, "ab") as file:
        while place < len(data):
            step = dice.choice([1, 7, 100, 400])
            file.write(data[place : place + step])
            file.flush()
            place += step
            whole = data[:place].rpartition(b"\n")[0] + b"\n"
            (tmp_path / "whole").write_bytes(whole)
            assert reader.rows() == parse_log(tmp_path / "whole")
    assert reader.rows()[-1]["test_mean_iou"] == 0.59


def test_what_was_returned_stays(tmp_path):
    path = tmp_path / "train.log"
    path.write_text(lines_of(0))
    reader = LogReader(path)
    before = reader.rows()
    known = [dict(row) for row in before]
    with open(path, "a") as file:
        file.write(lines_of(1))
    assert len(reader.rows()) == 2 and before == known


@pytest.mark.parametrize("again", [lines_of(0), "".join(lines_of(n) for n in range(20, 40))])
def test_a_log_that_was_replaced_is_read_anew(tmp_path, again):
    path = tmp_path / "train.log"
    path.write_text("".join(lines_of(n) for n in range(3)))
    reader = LogReader(path)
    assert len(reader.rows()) == 3
    path.write_text(again)  # the same file, shorter or longer
    assert reader.rows() == parse_log(path)
    (tmp_path / "new").write_text(lines_of(50))
    (tmp_path / "new").rename(path)
    assert [row["iteration"] for row in reader.rows()] == [50]
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        reader.rows()


def test_endless_lines_are_passed_over(tmp_path):
    path = tmp_path / "train.log"
    path.write_bytes(lines_of(0).encode() + b"x" * (5 << 20) + b"\n" + lines_of(1).encode())
    reader = LogReader(path)
    reader.rows()
    assert [row["iteration"] for row in reader.rows()] == [0, 1]


def test_only_what_is_new_is_read(tmp_path, monkeypatch):
    path = tmp_path / "train.log"
    path.write_text("".join(lines_of(n) for n in range(2000)))
    reader = LogReader(path)
    reader.rows()
    seen = []
    monkeypatch.setattr(
        "fcnkit.training.log_reader.values_in", lambda line: seen.append(line) or {"loss": 1.0}
    )
    reader.rows()
    assert not seen
    with open(path, "a") as file:
        file.write(lines_of(2000))
    reader.rows()
    assert len(seen) <= 5
