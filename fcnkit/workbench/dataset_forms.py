"""The form of a new dataset, and the job that it becomes. Fields have DIGITS' names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import wtforms
from flask_wtf.file import FileField

from caffeformat import InputError, atomic_write
from fcnkit.datasets import is_job, locate, refuse_other_names
from fcnkit.images import class_names_text, read_class_names, read_colour_map
from fcnkit.jobs import Evidence, Step

from .bench import bench
from .datasets import DATA, FINDINGS, TABLE
from .fields import BenchForm, checked, number, place, place_or_upload, select, text

if TYPE_CHECKING:
    from fcnkit.jobs import Job

LANE = "data"
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".zip", ".json")
_FOLDERS = (
    "feature_folder", "label_folder", "validation_feature_folder", "validation_label_folder"
)  # fmt: skip
_ENCODINGS = {"png": "png", "jpg": "jpeg", "none": "raw"}
_CHANNELS = {"none": "none", "RGB": "color", "L": "grey"}


class DatasetForm(BenchForm):
    """What a dataset is made of, and how it is stored."""

    dataset_name = text("Name")
    source = place(
        "On the server",
        "An archive or folder with images and labels, or a dataset that is there already: an "
        "output of create_lmdb, or a job of DIGITS.",
    )
    source_file = FileField("Or upload an archive")
    feature_folder = place("Images", "Where images and labels lie in two folders.", True)
    label_folder = place("Labels", "Named like their images.", True)
    validation_feature_folder = place("Validation images", "", True)
    validation_label_folder = place("Validation labels", "", True)
    folder_pct_val = number(
        "Validation share", int, None, 0, 99, "Per cent, where the source has no validation set."
    )
    class_labels = wtforms.TextAreaField(
        "Class names",
        description="One per line, the first for index 0. Empty: what the source says.",
        render_kw={"rows": 4, "spellcheck": "false"},
    )
    class_labels_file = place("Class names from a file", "On the server.")
    colormap_text_file = text(
        "Colour map",
        hint="Where labels are colours: a file on the server with R G B on each line, `voc`, or "
        "`binary` for black and white. Empty: labels are class indices.",
        render_kw={"data-place": "any", "spellcheck": "false"},
    )
    dsopts_feature_encoding = select(
        "Images stored as", [("png", "PNG"), ("jpg", "JPEG"), ("none", "Raw")]
    )
    dsopts_label_encoding = select("Labels stored as", [("png", "PNG"), ("none", "Raw")])
    channel_conversion = select(
        "Channels", [("none", "As they are"), ("RGB", "Colour"), ("L", "Grey")]
    )
    dsopts_force_same_shape = select("Refuse other sizes", [("0", "No"), ("1", "Yes")])
    dsopts_shuffle = select("Shuffle", [("0", "No"), ("1", "Yes")])
    dsopts_num_threads = number("Processes", int, None, 1, 64, "Empty: one per processor.")
    accept_findings = wtforms.BooleanField(
        "Write it whatever the check finds",
        description="Otherwise the job asks before it writes anything.",
    )


class DatabasesForm(BenchForm):
    """DIGITS' form of a dataset whose databases are there already."""

    dataset_name = text("Name")
    prebuilt_train_images = place("Training images", "An LMDB on the server.", True)
    prebuilt_train_labels = place("Their labels", "An LMDB with the same keys.", True)
    prebuilt_val_images = place("Validation images", "", True)
    prebuilt_val_labels = place("Their labels", "", True)
    class_labels = wtforms.TextAreaField(
        "Class names", description="One per line, the first for index 0; a model needs them."
    )
    class_labels_file = place("Class names from a file", "On the server.")


def make_job_of_databases(form: DatabasesForm) -> Job | None:
    """Make the job that looks at databases where they are; None where a field is wrong."""
    jobs = bench().jobs
    id_ = jobs.new_id()
    try:
        for split in ("train", "val"):
            for kind, folder in (("images", "features"), ("labels", "labels")):
                link = jobs.path(id_, DATA, f"{split}_db", folder)
                _link_database(form, f"prebuilt_{split}_{kind}", link)
        os.makedirs(jobs.path(id_, DATA), exist_ok=True)
        _write_class_names(form, jobs.path(id_, DATA, "classes.txt"))
        for name in ("prebuilt_train_images", "prebuilt_train_labels"):
            if not form[name].data:
                form.refuse(name, "expected the folder of an LMDB on the server")
        if bool(form.prebuilt_val_images.data) != bool(form.prebuilt_val_labels.data):
            form.refuse("prebuilt_val_labels", "images and labels go together")
        if form.is_refused:
            return None
        name = form.dataset_name.data or os.path.basename(form.prebuilt_train_images.data)
        arguments = ["check_dataset", DATA, "--json", FINDINGS, "--table", TABLE, "--force"]
        steps = [Step("Check", arguments, Evidence(FINDINGS), accept_on=[1])]
        return jobs.add(id_, "dataset", name, LANE, steps, form.values())
    finally:
        jobs.discard(id_)


def _link_database(form: DatabasesForm, name: str, link: str) -> None:
    """Let `link` lead to the database that a field names, if it names one."""
    if not form[name].data:
        return
    path = checked(form, name, lambda: bench().places.find(form[name].data))
    if path is None:
        return
    if not os.path.isfile(os.path.join(path, "data.mdb")):
        form.refuse(name, f"{form[name].data}: expected an LMDB, a folder with a data.mdb")
        return
    os.makedirs(os.path.dirname(link), exist_ok=True)
    os.symlink(path, link)


def make_job(form: DatasetForm) -> Job | None:
    """Make the job that a valid form describes; None where a field turned out to be wrong."""
    jobs = bench().jobs
    id_ = jobs.new_id()
    folder = jobs.path(id_)
    try:
        steps, settings = _steps(form, folder)
        if form.is_refused:
            return None
        name = form.dataset_name.data or _name_of(settings)
        return jobs.add(id_, "dataset", name, LANE, steps, settings)
    finally:
        jobs.discard(id_)


def _steps(form: DatasetForm, folder: str) -> tuple[list[Step], dict[str, Any]]:
    settings = form.values()
    source = place_or_upload(form, "source", "source_file", os.path.join(folder, "uploads"))
    means = _meaning(form, folder)
    if form.is_refused:
        return [], {}
    pairs = {name: _place(form, name) for name in _FOLDERS if form[name].data}
    if pairs:
        for one, other in (
            ("feature_folder", "label_folder"),
            ("validation_feature_folder", "validation_label_folder"),
        ):
            if (one in pairs) != (other in pairs) or (one not in pairs and "val" not in one):
                form.refuse(other if one in pairs else one, "images and labels go together")
        if form.is_refused:
            return [], {}
        return _from_two_folders(form, pairs, means, folder), settings
    if source is None:
        if not form.is_refused:
            form.refuse("source", "name an archive or a folder on the server, or upload an archive")
        return [], {}
    settings["source_path"] = source
    is_ready = locate(source, "train") or locate(source)
    if os.path.isdir(source) and (is_job(source) or (is_ready and _has_usual_names(source))):
        location = locate(source, "train") or locate(source, "val") or locate(source)
        if location is not None and location.kind == "lmdb":
            settings["folder"] = source
            return [_check([source], means, form, True)], settings
        if location is not None:
            return [_check([source], means, form), _write([source], form, means)], settings
    elif not os.path.isdir(source) and not source.lower().endswith(_ARCHIVES):
        form.refuse(
            "source" if not form.source_file.data else "source_file",
            f"{os.path.basename(source)}: expected a folder or an archive ({', '.join(_ARCHIVES)})",
        )
        return [], {}
    images = "images"
    kept = means[:2] if "--classes" in means else []
    steps = [
        _prepare(form, source, images, means),
        _check([images], kept, form),
        _write([images], form, kept),
    ]
    return steps, settings


def _has_usual_names(source: str) -> bool:
    """Whether the sets of a folder with images and labels are where create_lmdb looks for them."""
    try:
        refuse_other_names(source)
    except InputError:
        return False
    return True


def check_and_write(form: DatasetForm, images: str) -> list[Step]:
    """Return the steps that check image and label folders and store them as `form` says."""
    return [_check([images], [], form), _write([images], form, [])]


def _place(form: DatasetForm, name: str) -> str | None:
    return checked(form, name, lambda: bench().places.find(form[name].data))


def _meaning(form: DatasetForm, folder: str) -> list[str]:
    """Return the arguments that say what labels mean; class names are kept in the job's folder."""
    found: list[str] = []
    path = os.path.join(folder, "classes.txt")
    _write_class_names(form, path)
    if os.path.exists(path):
        found += ["--classes", "classes.txt"]
    colours = form.colormap_text_file.data
    if colours:
        known = colours in ("voc", "binary")
        where = (
            colours
            if known
            else checked(form, "colormap_text_file", lambda: bench().places.find(colours))
        )
        if where is not None:
            checked(form, "colormap_text_file", lambda: str(read_colour_map(where)))
            found += ["--colour-map", where]
    return found


def _write_class_names(form: DatasetForm | DatabasesForm, path: str) -> None:
    """Write the class names that a form holds or names to `path`, if it does."""
    lines = [line.strip() for line in (form.class_labels.data or "").splitlines()]
    lines = [line for line in lines if line]
    try:
        if lines:
            with atomic_write(path, "w") as file:
                file.writelines(f"{line}\n" for line in lines)
            read_class_names(path)
        elif form.class_labels_file.data:
            names = read_class_names(bench().places.find(form.class_labels_file.data))
            with atomic_write(path, "w") as file:
                file.write(class_names_text(names))
    except InputError as error:
        form.refuse("class_labels" if lines else "class_labels_file", error)


def _prepare(form: DatasetForm, source: str, images: str, means: list[str]) -> Step:
    more = list(means)
    if form.folder_pct_val.data is not None:
        more += ["--val-percent", str(form.folder_pct_val.data)]
    return Step(
        "Extract", ["prepare_data", source, images, "--force", *more], evidence=Evidence(images)
    )


def _check(where: list[str], means: list[str], form: DatasetForm, accepts: bool = False) -> Step:
    arguments = [
        "check_dataset", *where, "--json", FINDINGS, "--table", TABLE, "--force", *means
    ]  # fmt: skip
    if form.dsopts_num_threads.data:
        arguments += ["--workers", str(form.dsopts_num_threads.data)]
    asks = not accepts and not form.accept_findings.data
    return Step("Check", arguments, Evidence(FINDINGS), [1] if asks else [], [] if asks else [1])


def _write(where: list[str], form: DatasetForm, means: list[str]) -> Step:
    arguments = ["create_lmdb", *where, "-o", DATA, "--force", *means]
    arguments += ["--encoding", _ENCODINGS[form.dsopts_feature_encoding.data]]
    arguments += ["--label-encoding", _ENCODINGS[form.dsopts_label_encoding.data]]
    arguments += ["--image-channels", _CHANNELS[form.channel_conversion.data]]
    if form.dsopts_force_same_shape.data == "1":
        arguments.append("--same-shape")
    if form.dsopts_shuffle.data == "1":
        arguments.append("--shuffle")
    if form.dsopts_num_threads.data:
        arguments += ["--workers", str(form.dsopts_num_threads.data)]
    has_val = os.path.isdir(os.path.join(where[0], "val"))
    if form.folder_pct_val.data is not None and where[0] != "images" and not has_val:
        arguments += ["--val-percent", str(form.folder_pct_val.data)]
    return Step("Write", arguments, evidence=Evidence(DATA))


def _from_two_folders(
    form: DatasetForm, pairs: dict[str, str | None], means: list[str], folder: str
) -> list[Step]:
    if "validation_feature_folder" not in pairs:
        where = ["--images", str(pairs["feature_folder"]), "--labels", str(pairs["label_folder"])]
        return [_check(where, means, form), _write(where, form, means)]
    # As one folder with both parts, so that the check looks at both, and tells them apart.
    parts = ("train/images", "train/labels", "val/images", "val/labels")
    for name, part in zip(_FOLDERS, parts):
        link = os.path.join(folder, "images", part)
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(str(pairs[name]), link)
    return [_check(["images"], means, form), _write(["images"], form, means)]


def _name_of(settings: dict[str, Any]) -> str:
    source = str(settings.get("source_path") or settings.get("feature_folder") or "dataset")
    name = os.path.basename(source.rstrip(os.sep))
    for suffix in _ARCHIVES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
