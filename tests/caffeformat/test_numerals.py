import pytest

from caffeformat import whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)]
    + [(text, None) for text in ("", "-1", "+1", " 1", "1.0", "1e3", "0x1", "²", "٣", "9" * 5000)],
)
def test_digits_alone_are_a_number(text, number):
    assert whole_number(text) == number
