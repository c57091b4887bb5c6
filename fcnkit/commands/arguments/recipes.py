"""Arguments of recipes: which one, its datasets by role, and what changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from fcnkit.datasets import augmentation_texts, parse_augmentation
from fcnkit.training import recipe_names

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from fcnkit.training import RecipeFile

    from .basics import CommandParser

# option -> key of a recipe that it changes in all stages
_KEYS = {
    "batch_size": "batch_size",
    "lr_policy": "lr_policy",
    "min_lr": "min_lr",
    "warm_up": "rampup_interval",
    "fill": "fill",
    "seed": "random_seed",
    "snapshot_epochs": "snapshot_epochs",
    "keep": "keep",
    "patience": "patience",
    "precision": "precision",
}
# those with one value for all stages, or one per stage
_PER_STAGE = {"iterations": "iterations", "base_lr": "base_lr"}
# those of several words; flags
_WORDS = ("augment", "loss")
_FLAGS = {"no_validation": ("validate", "no"), "recompute": ("recompute", "yes"),
          "sync_batch_norm": ("sync_batch_norm", "yes"),
          "tensorboard": ("tensorboard", "yes")}  # fmt: skip


def add_recipe(parser: CommandParser) -> None:
    """Declare `--recipe`, `--dry-run` and `--set`."""
    action = parser.input.option(
        "--recipe",
        "train as a recipe says, instead of SOLVERs: one of "
        f"{', '.join(recipe_names())}, or the file of your own; the same command continues it",
        "NAME|FILE",
    )
    action.completer = _complete  # type: ignore[attr-defined]  # where argcomplete looks
    parser.input.flag("--dry-run", "only say what each stage of the recipe will do")
    parser.options.option(
        "--set",
        "change a key of the recipe, such as epochs=20, for all stages or with STAGE. before it "
        "for one; may be repeated",
        "KEY=VALUE",
        default=[],
        action="append",
    )


def add_data(parser: CommandParser) -> None:
    """Declare `--data`, which may name several datasets."""
    parser.data.option(
        "--data",
        "dataset folder, such as an output of create_lmdb; for a recipe its datasets by role, such "
        "as sbd=FOLDER voc=FOLDER",
        "FOLDER",
        nargs="+",
    )


def one_folder(args: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the only dataset folder of `--data`, and the solvers that were named behind it."""
    given = list(args.data or ())
    if not given or (args.stages and len(given) > 1):
        found = " ".join(given) or "none"
        raise InputError(f"expected one dataset folder, found {found}: pass --data FOLDER")
    return given[0], given[1:]


def folders(args: argparse.Namespace, recipe: RecipeFile) -> dict[str, str]:
    """Return role -> folder from the values of `--data`; a recipe of one role needs no name."""
    given: Sequence[str] = args.data or ()
    found: dict[str, str] = {}
    roles = list(recipe.roles)
    for text in given:
        role, equals, folder = text.partition("=")
        if not equals and len(given) == len(roles) == 1:
            role, folder = roles[0], text
        elif not equals:
            raise InputError(
                f"--data {text}: which dataset is it? Pass {' '.join(f'{r}=FOLDER' for r in roles)}"
            )
        if role in found:
            raise InputError(f"--data {text}: there are two datasets called {role}")
        found[role] = folder
    return found


def changes(args: argparse.Namespace, stages: Sequence[str]) -> list[str]:
    """Return what the arguments change in a recipe of these stages, for `read_recipe`."""
    values: dict[str, Any] = vars(args)
    found = [
        f"{key}={values[option]}" for option, key in _KEYS.items() if values.get(option) is not None
    ]
    for key in _WORDS:
        if values.get(key) is not None:
            # Without values `--augment` stands for some, where an empty key of a recipe is none.
            words = values[key] or augmentation_texts(parse_augmentation([]))
            found.append(f"{key}={' '.join(words)}")
    found += [f"{key}={text}" for option, (key, text) in _FLAGS.items() if values.get(option)]
    for option, key in _PER_STAGE.items():
        if values.get(option) is None:
            continue
        texts = str(values[option]).split(",")
        if len(texts) not in (1, len(stages)):
            flag = option.replace("_", "-")
            raise InputError(
                f"--{flag} {values[option]}: expected one value, or {len(stages)}, one per stage"
            )
        if len(texts) == 1:
            found.append(f"{key}={texts[0]}")
        else:
            found += [f"{stage}.{key}={text}" for stage, text in zip(stages, texts)]
    return found + list(args.set)


def _complete(prefix: str, **_: Any) -> list[str]:
    """Return the recipes that a shell offers after `prefix`: names and files."""
    from argcomplete.completers import FilesCompleter

    return [*recipe_names(), *FilesCompleter()(prefix)]
