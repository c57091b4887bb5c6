"""Options of augmentation: their values as text and JSON, and the tutorials' sets of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from fcnkit.images import count_channels

from .augmentation import Augmentation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# GluonCV's program scales the longer side to 260 to 1040 pixels; the blog's is the same but for the
# angle.
_GLUONCV: dict[str, Any] = {
    "base": 520,
    "scale": [0.5, 2.0],
    "draw": "uniform",
    "rotate": 10.0,
    "crop": [480, 480],
    "pad": "corner",
    "flip": True,
    "blur": [0.5, 1.0],
}

# What the tutorials train with, by their names.
AUGMENTATION_SETS: dict[str, dict[str, Any]] = {
    "gluoncv": _GLUONCV,
    "blog": {**_GLUONCV, "rotate": 20.0},
    "mindspore": {
        "scale": [0.5, 2.0],
        "draw": "uniform",
        "interpolation": "cubic",
        "crop": [512, 512],
        "pad": "corner",
        "flip": True,
    },
    # Whole images as they are, even if the data layers of the net crop or mirror.
    "berkeley": {"crop": None, "scale": None, "flip": False},
}

# Of an augmentation that is chosen without saying which.
USUAL_AUGMENTATION: dict[str, Any] = {"scale": [0.75, 1.5], "flip": True}

# The range of scales where there is a base size but no range: GluonCV's.
_BASE_SCALE = (0.5, 2.0)


def parse_augmentation(texts: Sequence[str]) -> dict[str, Any]:
    """Options of SegmentationData from texts `KEY=VALUE`, the first of which may name a set.

    Later texts override earlier ones and the set. Without any text, the usual scale and flip.
    """
    if not texts:
        return dict(USUAL_AUGMENTATION)
    chosen: dict[str, Any] = {}
    for number, text in enumerate(texts):
        key, sign, value = text.partition("=")
        if text in AUGMENTATION_SETS and not number:
            chosen.update(AUGMENTATION_SETS[text])
            continue
        if key not in _PARSERS:
            raise _wrong(text, _unknown(text, sign))
        try:
            chosen[key] = _PARSERS[key](value)
        except ValueError as error:
            raise _wrong(text, str(error) or "expected a number") from error
    augmentation_from(chosen)
    return chosen


def augmentation_texts(options: Mapping[str, Any]) -> list[str]:
    """Texts `KEY=VALUE` of options: `parse_augmentation` returns these options for them."""
    return [f"{key}={_text(key, value)}" for key, value in options.items()]


def augmentation_from(options: Mapping[str, Any]) -> Augmentation | None:
    """The `Augmentation` of a dict of its fields, or None if nothing is drawn.

    `crop` is a number or (height, width); `scale` a number or (lowest, highest), by default 1, or
    0.5 to 2 where there is a `base`; `blur` a probability or (probability, largest radius), by
    default 1 pixel. Keys of SegmentationData that are not about augmentation are passed over.
    """
    given = {key: options[key] for key in _FIELDS if options.get(key) is not None}
    fields: dict[str, Any] = {key: _checked(key, value) for key, value in given.items()}
    if "base" in fields:
        fields.setdefault("scale", _BASE_SCALE)
    augmentation = Augmentation(**fields)
    return None if augmentation.is_neutral else augmentation


def check_augmentation(options: Mapping[str, Any], channels: int | None, name: str) -> None:
    """Raise `InputError` where the options of SegmentationData need colours that are not there.

    `name` says whose images have so many channels; None: it is not known.
    """
    augmentation = augmentation_from(options)
    if augmentation is not None and channels is not None:
        check_colours(augmentation, channels, name)


def check_colours(augmentation: Augmentation, channels: int, name: str) -> None:
    """Raise `InputError` where an augmentation changes colours that images do not have."""
    if augmentation.changes_colours and channels != 3:
        which = [key for key in ("saturation", "hue") if getattr(augmentation, key)]
        raise InputError(
            f"{name}: has {count_channels(channels)}, but {' and '.join(which)} of an augmentation "
            "need the three of RGB; leave them out: brightness and contrast suit any image"
        )


def _numbers(value: Any, least: int, most: int) -> tuple[float, ...] | None:
    """A number, or a list of `least` to `most` of them, as a tuple; None if it is neither."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    good = all(isinstance(v, (int, float)) and v is not True and v is not False for v in values)
    is_single = not isinstance(value, (list, tuple))
    return values if good and (is_single or least <= len(values) <= most) else None


def _checked(key: str, value: Any) -> Any:
    """A value of a dict of options as a field of `Augmentation`."""
    if key in ("draw", "interpolation", "pad"):
        return value
    if key == "flip":
        if value in (True, False):
            return bool(value)
        raise InputError(f"flip {value!r}: expected true or false")
    pairs = {"crop": "height and width", "scale": "lowest and highest", "blur": "chance and radius"}
    numbers = _numbers(value, 2, 2) if key in pairs else _numbers(value, 1, 1)
    whole = key in ("crop", "base")
    if numbers is None or (whole and not all(float(number).is_integer() for number in numbers)):
        kind = "a whole number" if whole else "a number"
        more = f", or two: {pairs[key]}" if key in pairs else ""
        raise InputError(f"{key} {value!r}: expected {kind}{more}")
    if whole:
        numbers = tuple(int(number) for number in numbers)
    if key not in pairs:
        return numbers[0]
    if len(numbers) == 2:
        return numbers
    return (numbers[0], 1.0) if key == "blur" else numbers * 2


def _wrong(text: str, why: str) -> InputError:
    return InputError(f"{{option}}: {why}", option="augment", value=text)


def _unknown(text: str, sign: str) -> str:
    if text in AUGMENTATION_SETS:
        return "a set's name comes first, and what changes it behind it"
    known = f"expected one of {', '.join(_PARSERS)}"
    return known if sign else f"{known}, or first a set: {', '.join(AUGMENTATION_SETS)}"


def _text(key: str, value: Any) -> str:
    """A value of the options as it is written: `none`, `yes`, `480`, `240x320`, `0.5:2`, `0.1`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        parts = [_text(key, part) for part in value]
        if key == "crop":
            return parts[0] if len(set(parts)) == 1 else "x".join(parts)
        return ":".join(parts)
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("expected a number") from None


def _pair(text: str) -> list[float] | None:
    if text == "none":
        return None
    low, colon, high = text.partition(":")
    return [_number(low), _number(high if colon else low)]


def _blur(text: str) -> list[float]:
    likelihood, colon, radius = text.partition(":")
    return [_number(likelihood), _number(radius if colon else "1")]


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("expected a whole number") from None


def _at_least(number: float, least: int) -> float:
    if not least <= number < float("inf"):
        raise ValueError(f"expected {least} or more")
    return number


def _positive(number: float) -> float:
    if not 0 < number < float("inf"):
        raise ValueError("expected a number above 0")
    return number


def _side(text: str) -> int | None:
    return None if text == "none" else _whole(text)


def _crop(text: str) -> list[int] | None:
    if text == "none":
        return None
    height, cross, width = text.partition("x")
    return [_whole(height), _whole(width if cross else height)]


def _yes(text: str) -> bool:
    if text not in ("yes", "no", ""):
        raise ValueError("expected yes or no")
    return text != "no"


_PARSERS: dict[str, Callable[[str], Any]] = {
    "scale": _pair,
    "crop": _crop,
    "flip": _yes,
    "rotate": _number,
    "blur": _blur,
    "brightness": _number,
    "contrast": _number,
    "saturation": _number,
    "hue": _number,
    "base": _side,
    "draw": str,
    "interpolation": str,
    "pad": str,
    "threads": lambda text: _at_least(_whole(text), 1),
    "cache_mb": lambda text: _at_least(_whole(text), 0),
    "white": lambda text: _positive(_number(text)),
}
_FIELDS = tuple(key for key in _PARSERS if key not in ("threads", "cache_mb", "white"))
