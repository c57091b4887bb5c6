"""Files changed at random, by a generator that is given: the same numbers, the same files."""

import re

_TOKEN = re.compile(rb"\"[^\"\n]*\"|'[^'\n]*'|[\w.+-]+|[^\s\w]")
_NUMBER = re.compile(rb"(?<=: )-?[\d.]+")
_TEXT = re.compile(rb"\"[^\"\n]*\"")
_NUMBERS = [
    b"0", b"-1", b"1", b"2", b"3", b"7", b"255", b"65536", b"2147483647", b"-2147483648",
    b"4294967295", b"4294967296", b"9223372036854775807", b"99999999999999999999", b"1e30", b"-0.5",
    b"nan", b"inf", b"0x7fffffff", b"true", b"MAX",
]  # fmt: skip
_TEXTS = [b'""', b'"data"', b'"\\377"', b'"' + b"a" * 3000 + b'"', b'"../../x"', b"'", b'"', b"\0"]
_PIECES = [b"{", b"}", b"}", b":", b"#", b"layer {", b"<", b">", b"[", b"]", b"\xff", b","]


def mutated_bytes(content, rng, most):
    """`content` with up to `most` places changed, dropped, doubled or cut off."""
    content = bytearray(content or b"\0")
    for _ in range(rng.randint(most) + 1):
        at, kind = rng.randint(len(content)), rng.randint(5)
        if kind == 0:
            content[at] = rng.randint(256)
        elif kind == 1:
            content[at] ^= 1 << rng.randint(8)
        elif kind == 2:
            del content[at : at + rng.randint(1, 9)]
        elif kind == 3:
            content[at:at] = content[at : at + rng.randint(1, 40)]
        else:
            del content[max(at, 1) :]
        content = content or bytearray(b"\0")
    return bytes(content)


def mutated_text(content, rng):
    """Prototxt with one to three of its words, lines or blocks changed (or, rarely, its bytes)."""
    if rng.randint(20) == 0:
        return mutated_bytes(content, rng, 4)
    for _ in range(rng.randint(3) + 1):
        change = _CHANGES[rng.randint(len(_CHANGES))]
        content = change(content, rng) or content
    return content


def _pick(values, rng):
    return values[rng.randint(len(values))]


def _word(content, rng, pattern=_TOKEN):
    """The span of one word, or None where there is none."""
    found = list(pattern.finditer(content))
    return _pick(found, rng).span() if found else None


def _put(content, span, piece):
    return content[: span[0]] + piece + content[span[1] :]


def _change_number(content, rng):
    span = _word(content, rng, _NUMBER)
    return span and _put(content, span, _pick(_NUMBERS, rng))


def _change_text(content, rng):
    span = _word(content, rng, _TEXT)
    return span and _put(content, span, _pick(_TEXTS, rng))


def _swap_words(content, rng):
    return _swap(content, rng, _TOKEN)


def _swap_texts(content, rng):
    """One name in another's place: bottoms that nobody makes, loops, tops made twice."""
    return _swap(content, rng, _TEXT)


def _swap_numbers(content, rng):
    return _swap(content, rng, _NUMBER)


def _swap(content, rng, pattern):
    one, other = _word(content, rng, pattern), _word(content, rng, pattern)
    return one and _put(content, one, content[other[0] : other[1]])


def _misspell(content, rng):
    span = _word(content, rng, re.compile(rb"[a-zA-Z_]{3,}"))
    if span:
        at = rng.randint(span[0], span[1])
        return content[:at] + bytes([rng.randint(97, 123)]) + content[at + rng.randint(2) :]
    return None


def _drop_word(content, rng):
    span = _word(content, rng)
    return span and _put(content, span, b"")


def _drop_line(content, rng):
    lines = content.split(b"\n")
    del lines[rng.randint(len(lines))]
    return b"\n".join(lines)


def _repeat_lines(content, rng):
    lines = content.split(b"\n")
    at = rng.randint(len(lines))
    block = lines[at : at + rng.randint(1, 12)]
    to = rng.randint(len(lines) + 1)
    return b"\n".join(lines[:to] + block * rng.randint(1, 4) + lines[to:])


def _move_lines(content, rng):
    lines = content.split(b"\n")
    at = rng.randint(len(lines))
    block = lines[at : at + rng.randint(1, 12)]
    del lines[at : at + len(block)]
    to = rng.randint(len(lines) + 1)
    return b"\n".join(lines[:to] + block + lines[to:])


def _insert(content, rng):
    at = rng.randint(len(content) + 1)
    return content[:at] + _pick(_PIECES, rng) + content[at:]


def _nest(content, rng):
    """Braces within braces, deeper than any net and than a parser's stack."""
    depth = rng.randint(1, 2000)
    return content + b"layer { include { " * depth + b"}" * rng.randint(2 * depth + 1)


def _cut(content, rng):
    return content[: rng.randint(1, len(content) + 1)]


_CHANGES = [
    _change_number, _change_number, _change_number, _change_number, _change_number, _change_text,
    _swap_words, _swap_numbers, _swap_numbers, _swap_texts, _swap_texts, _misspell, _drop_word,
    _drop_line, _drop_line, _repeat_lines, _move_lines, _insert, _nest, _cut,
]  # fmt: skip


# Pieces that text formats other than prototxt trip over: numbers of thousands of digits and out of
# every range, deep nesting, quotes, what controls terminals, marks of Unicode, names that lead out.
_NASTY = [
    b"9" * 5000, b"-1", b"1e999", b"NaN", b"-Infinity", b"18446744073709551616", b"0x10", b"1_0",
    b"[" * 3000, b'{"a":' * 3000, b"(" * 300, b'"', b"'", b"\\", b"\\u", b"\\ud800", b"\x1b[31m",
    b"\0", b"\r", b"\n\n", b"\xff\xfe", b"\xed\xb3\xbf", b"\xe2\x80\xae", b"\xef\xbb\xbf",
    b"../../x", b"/dev/zero", b"null", b"true", b"[]", b"{}", b'""', b" ", b",", b":", b"#",
    b"\xd9\xa3", b"= 1",
]  # fmt: skip
_FIELDS = [0, 1, 2, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1]


def mutated_words(content, rng):
    """A text of words, lists or JSON with one to four of its words, lines or bytes changed."""
    for _ in range(rng.randint(4) + 1):
        kind = rng.randint(8)
        if kind == 0:
            content = mutated_bytes(content, rng, 2)
        elif kind == 1:
            content = _drop_line(content, rng)
        elif kind == 2:
            content = _repeat_lines(content, rng)
        elif kind == 3:
            at = rng.randint(len(content) + 1)
            content = content[:at] + _pick(_NASTY, rng) + content[at:]
        elif kind == 4:
            content = _swap_words(content, rng) or content
        elif kind == 5:
            content = _drop_word(content, rng) or content
        else:
            span = _word(content, rng)
            content = _put(content, span, _pick(_NASTY, rng)) if span else content
        content = content or b"\0"
    return content


def mutated_fields(content, rng):
    """Binary content with up to three bytes, or fields of 1 to 8 bytes, changed or moved."""
    if rng.randint(3) == 0 or len(content) < 9:
        return mutated_bytes(content, rng, 3)
    content = bytearray(content)
    for _ in range(rng.randint(3) + 1):
        size = (1, 2, 4, 8)[rng.randint(4)]
        # Headers decide more than what follows them.
        most = len(content) if rng.randint(2) else min(len(content), 512)
        at = rng.randint(max(1, most - size))
        value = _pick(_FIELDS, rng) & ((1 << 8 * size) - 1)
        content[at : at + size] = value.to_bytes(size, ("little", "big")[rng.randint(2)])
    return bytes(content)
