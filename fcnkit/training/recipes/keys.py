"""What a recipe's keys may hold: each has a parser and words for what it expects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from caffeformat import InputError, pb
from fcnkit.datasets import parse_augmentation
from fcnkit.losses import parse_loss

from ..run_files import set_field

if TYPE_CHECKING:
    from collections.abc import Callable

ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


class Key(NamedTuple):
    """A key of a recipe."""

    parse: Callable[[str], Any]
    expected: str
    # whether it says something about the whole recipe and has no place in a stage
    is_common: bool = False
    # whether it does not change the weights: a stage goes on with another value
    is_free: bool = False


def _whole(text: str) -> int:
    value = int(text)
    if not 0 < value < 1 << 31:
        raise ValueError
    return value


def _number(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _share(text: str) -> float:
    value = _number(text)
    if value > 1:
        raise ValueError
    return value


def _yes(text: str) -> bool:
    return {"yes": True, "no": False}[text]


def _name(text: str) -> str:
    if not ROLE.fullmatch(text):
        raise ValueError
    return text


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return parse


def _augmentation(text: str) -> dict[str, Any]:
    """The options of SegmentationData, none of them for whole images as they are."""
    words = text.split()
    return {} if words in ([], ["none"]) else parse_augmentation(words)


def _loss(text: str) -> tuple[str, dict[str, Any]]:
    words = text.split()
    try:
        return parse_loss(words)
    except InputError as error:
        if "loss" in error.options:  # it speaks of an option
            raise ValueError from error
        raise


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    return _whole(height), _whole(width or height)


# The forms of networks: arguments of their declarations in the zoo.
_FORMS: dict[str, Callable[[str], Any]] = {
    "auxiliary": _yes,
    "auxiliary_weight": _number,
    "bias": _yes,
    "frozen": _yes,
    "learned": _yes,
    "older_head": _yes,
    "size": _size,
    "v1b": _yes,
    "width": _number,
}


def _form(text: str) -> dict[str, Any]:
    form = {}
    for word in text.split():
        key, _, value = word.partition("=")
        form[key] = _FORMS[key](value)
    return form


_WHOLE = "a whole number above 0"
_NUMBER = "a number above 0"
_YES = "yes or no"

KEYS: dict[str, Key] = {
    "title": Key(str, "a line of text", is_common=True, is_free=True),
    "source": Key(str, "a line of text", is_common=True, is_free=True),
    "weights": Key(str, "the download of a classifier, or none", is_common=True, is_free=True),
    "published": Key(str, "a line of text", is_free=True),
    "network": Key(str, "a network of the zoo, or the path of a solver"),
    "form": Key(_form, f"some of KEY=VALUE, with the keys {', '.join(_FORMS)}"),
    "classes": Key(_whole, _WHOLE),
    "data": Key(_name, "the role of a dataset: letters, digits, _ and -"),
    "optional": Key(_yes, _YES, is_free=True),
    "after": Key(_one_of("newest", "best"), "newest or best"),
    "epochs": Key(_number, _NUMBER),
    "iterations": Key(_whole, _WHOLE),
    "batch_size": Key(_whole, _WHOLE),
    "images_per_update": Key(_whole, _WHOLE),
    "step_share": Key(_share, "a share of the iterations, above 0 and up to 1"),
    "augment": Key(_augmentation, "none, a set of augmentations, or some of KEY=VALUE"),
    "fill": Key(_one_of("xavier", "msra"), "xavier or msra"),
    "class_weights": Key(_number, _NUMBER),
    "loss": Key(_loss, "the name of a loss, and some of KEY=VALUE"),
    "precision": Key(_one_of("float32", "bfloat16", "float16"), "float32, bfloat16 or float16"),
    "recompute": Key(_yes, _YES, is_free=True),
    "sync_batch_norm": Key(_yes, _YES),
    "validate": Key(_yes, _YES, is_free=True),
    "snapshot_epochs": Key(_number, _NUMBER, is_free=True),
    "snapshot_interval": Key(_whole, _WHOLE, is_free=True),
    "keep": Key(_whole, _WHOLE, is_free=True),
    "patience": Key(_whole, _WHOLE, is_free=True),
    "tensorboard": Key(_yes, _YES, is_free=True),
}

# Of each pair a later layer of settings replaces the other one, too.
SAME = (
    ("epochs", "iterations"),
    ("snapshot_epochs", "snapshot_interval"),
    ("images_per_update", "iter_size"),
    ("step_share", "stepsize"),
)

# Fields of a solver that other keys stand for, or that the program sets.
_NOT_FIELDS = ("max_iter", "snapshot", "snapshot_prefix", "test_iter", "solver_mode", "device_id",
               "net", "train_net", "test_net", "weights")  # fmt: skip


def is_solver_field(key: str) -> bool:
    """Whether a recipe may set the field `key` of the solver."""
    field = pb.SolverParameter.DESCRIPTOR.fields_by_name.get(key)
    return (
        field is not None and field.type != field.TYPE_MESSAGE and key not in (*_NOT_FIELDS, *KEYS)
    )


def parse_value(key: str, text: str) -> Any:
    """Parse the value of `key`; a field of the solver stays text, but is tried.

    Raises `InputError`: what was found, what is expected.
    """
    if key not in KEYS:
        if not is_solver_field(key):
            raise InputError(
                f"is no key of a recipe: expected one of {', '.join(KEYS)}, or a field of a solver "
                "such as base_lr"
            )
        try:
            set_field(pb.SolverParameter(), key, text)
        except InputError as error:
            raise InputError(f"found {text!r}, expected what a solver takes: {error}") from None
        return text
    known = KEYS[key]
    try:
        return known.parse(text)
    except InputError as error:
        raise InputError(f"found {text!r}: {error}") from None
    except (ValueError, KeyError, OverflowError):
        raise InputError(f"found {text!r}, expected {known.expected}") from None
