"""Arguments that say what images are: channels, bits per channel, and which bands to show."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.images import DEPTHS, ImageForm, check_bands

from .basics import positive

if TYPE_CHECKING:
    from .basics import Group

_WORDS = {"color": 3, "colour": 3, "grey": 1, "gray": 1}


def add_channels(group: Group) -> None:
    """Declare `--channels`, the number of channels of all images."""
    group.option(
        "--channels --image-channels",
        "number of channels of all images: color (3), grey (1), N, or auto: the first image's, but "
        "color where grey and colour images are mixed",
        "color|grey|N|auto",
        _channels,
        default="auto",
    )


def add_white(group: Group, otherwise: str) -> None:
    """Declare `--white`."""
    group.option(
        "--white",
        "read images of more than 8 bits as 8 bits: this value becomes 255, such as 4095 where 12 "
        "bits are used",
        "N",
        positive(float),
        otherwise=otherwise,
    )


def add_depth(group: Group, otherwise: str) -> None:
    """Declare `--depth`."""
    group.option(
        "--depth",
        "what a net was trained on: 8 bits per channel, 16 bits or floats",
        otherwise=otherwise,
        choices=list(DEPTHS),
    )


def add_bands(group: Group, otherwise: str = "the first three; fewer are shown as grey") -> None:
    """Declare `--bands`."""
    group.option(
        "--bands",
        "channels to show as red, green and blue, counted from 1",
        "R,G,B",
        _bands,
        otherwise=otherwise,
    )


def channels_of(text: str | int) -> int | None:
    """The number of channels that a value of `--channels` stands for; None for `auto`."""
    return text if isinstance(text, int) else _WORDS.get(text)


def image_form(args: argparse.Namespace) -> ImageForm | None:
    """What the arguments of `add_channels` and `add_white` want of images; None for nothing."""
    channels = channels_of(args.channels)
    if channels is None and args.white is None:
        return None
    return ImageForm(channels, None if args.white is None else "uint8", args.white)


def _channels(text: str) -> str | int:
    if text in ("auto", "none"):
        return "auto"
    if text in _WORDS:
        return {3: "color", 1: "grey"}[_WORDS[text]]
    if text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= 1024:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected color, grey, auto or a number")


def _bands(text: str) -> tuple[int, ...]:
    try:
        bands = tuple(int(part) for part in text.split(","))
        check_bands(bands)
    except (ValueError, InputError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected three numbers from 1, such as 4,3,2"
        ) from error
    return bands
