#!/usr/bin/env python3
"""Write docs/rest.md: the routes of `fcnkit serve`, from the application itself.

    docs/make_rest.py [--check]

Routes, their methods and what they do come from the application and its docstrings, fields from the
forms. `--check` exits with status 1 if docs/rest.md is not what this program would write.
"""

# ruff: noqa: E501  (lines of the page)

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generated import write_or_check

from fcnkit.workbench import Bench, Settings
from fcnkit.workbench.app import create_app
from fcnkit.workbench.dataset_forms import DatabasesForm, DatasetForm
from fcnkit.workbench.model_forms import ModelForm

PAGE = Path(__file__).with_name("rest.md")

_INTRODUCTION = """\
# REST API

`fcnkit serve` has DIGITS' routes, so that its clients go on working, and some of its own. `docs/make_rest.py` writes this page from the
application; a test runs the `curl` lines.

```sh
fcnkit serve --jobs jobs --data-root data --port 5000
```

- An address that ends in `.json` gives JSON, as does that of a page to a client whose `Accept` header prefers it. Errors are `{"error": TEXT}`,
  those of forms `{"errors": {FIELD: [TEXT]}}` with status 400; of requests that change something, too, unless they accept HTML as browsers do.
- Without `--password` and `--token`, the server answers this machine alone, and scripts need nothing. With a token, they send
  `-H 'Authorization: Bearer TOKEN'`.
- Paths are those of files on the server below `--data-root`; they may be relative to it. Uploads are sent with `-F field=@file`.
- `snapshot_epoch` names a snapshot by its epoch, by its step with an `i` before it (`i2000`), or the weights with the best mean IoU of the
  validation images (`best`); without it, the newest is taken.
- `<id>-snapshot` of a previous model is an epoch, `0` for no weights, or `-1` for those that it began with.
- `infer_many.json` and `infer_db.json` answer with the scores of at most 20 images, since each takes megabytes as text; `left_out` says how
  many more there were. An answer has at most 200 million scores: of very large images, ask for `form=rle` or `infer_one.png`.
- A dataset whose check found something has the status `Initialized` until somebody answers: `question` says what is asked, `question_url` where
  the findings are, and `POST /jobs/<id>/resume` writes it as it is. With `accept_findings=y` it does not ask.
- What changes something and comes from a browser needs the page's token: pages of other sites cannot use the API.

## By curl alone

From an archive to a mask. `jq` only reads the ids out of the answers.

```sh
A=http://127.0.0.1:5000
D=$(curl -s $A/datasets/generic/create/images.json -F dataset_name=squares -F source=squares \\
    -F 'class_labels=background
red
green' | jq -r .id)
curl -s $A/jobs/$D/status
until curl -s $A/jobs/$D/status | grep -q Done; do sleep 1; done
M=$(curl -s $A/models/images/generic.json -F model_name=first -F dataset=$D -F method=custom \\
    -F 'custom_network=<net.prototxt' -F train_epochs=2 -F learning_rate=0.1 | jq -r .id)
until curl -s $A/jobs/$M/status | grep -q Done; do sleep 1; done
curl -s $A/models/$M.json
curl -s $A/models/images/generic/infer_one.png -F job_id=$M -F image_file=@photo.png > mask.png
curl -s "$A/models/images/generic/infer_one.json?form=rle" -F job_id=$M -F image_file=@photo.png
curl -s $A/models/images/generic/infer_one.json -F job_id=$M -F image_path=squares/val/images/val_0.png
curl -s $A/models/images/generic/infer_many.json -F job_id=$M -F image_list=@list.txt
curl -s $A/models/$M/download.tar.gz > model.tar.gz
curl -s -X PUT $A/jobs/$M -d job_name=renamed -d job_notes=finished
curl -s $A/index.json
curl -s -X DELETE $A/jobs/$M
```

The same with net surgery: after `make demo`, `fcnkit serve --data-root demo` makes a dataset of the demo's archive, an FCN of its classifier, and
a mask of a photo.

```sh
A=http://127.0.0.1:5000
D=$(curl -s $A/datasets/generic/create/images.json -F dataset_name=shapes -F source=shapes.tar \\
    -F class_labels_file=classes.txt | jq -r .id)
until curl -s $A/jobs/$D/status | grep -q Done; do sleep 1; done
M=$(curl -s $A/models/images/generic.json -F model_name='FCN of shapes' -F dataset=$D -F method=surgery \\
    -F classifier=shapes_classifier -F classifier_weights=classifier/shapes_classifier_iter_1600.caffemodel \\
    -F surgery_stride=4 -F train_epochs=2 -F learning_rate=0.02 -F augment=usual -F augment_rotate=10 | jq -r .id)
until curl -s $A/jobs/$M/status | grep -q Done; do sleep 1; done
curl -s $A/models/$M.json
curl -s $A/models/images/generic/infer_one.png -F job_id=$M -F snapshot_epoch=best -F image_file=@photo.png > mask.png
```
"""

# Routes that scripts use; the others are pages.
_SHOWN = (
    "api.",
    "job.",
    "explore.digits_address",
    "explore.show_picture",
    "model.visualize",
    "model.live",
)
_FORMS = {
    "Fields of a new dataset": (
        DatasetForm,
        "`POST /datasets/generic/create/<extension>.json`, where the extension is `images`. DIGITS' own `image-segmentation` and the\n"
        "`fcn-voc-segmentation` of [our plug-in](digits_plugin.md) are accepted with their field names.",
    ),
    "Fields of a dataset of databases": (
        DatabasesForm,
        "`POST /datasets/images/generic.json`: LMDBs stay where they are, and are checked.",
    ),
    "Fields of a new model": (
        ModelForm,
        '`POST /models/images/generic.json`. Several values of `learning_rate` make a job each and give `{"jobs": [...]}`.',
    ),
}


def page() -> str:
    """Return the page's text."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Settings(folder))
        app = create_app(bench)
        parts = [
            _INTRODUCTION,
            "## Routes\n",
            "| route | method | what it does |\n| --- | --- | --- |",
        ]
        parts += _routes(app)
        parts.append("")
        with app.test_request_context():
            for title, (kind, words) in _FORMS.items():
                parts += [
                    f"## {title}\n",
                    words,
                    "",
                    "| field | default | what it is |\n| --- | --- | --- |",
                ]
                parts += _fields(kind(formdata=None))
                parts.append("")
        bench.close()
    return "\n".join(parts)


def _routes(app: Any) -> Iterator[str]:
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith(_SHOWN)]
    for rule in sorted(rules, key=lambda rule: (rule.rule, sorted(rule.methods))):
        methods = ", ".join(sorted(rule.methods - {"HEAD", "OPTIONS"}))
        text = (app.view_functions[rule.endpoint].__doc__ or "").strip().partition("\n")[0]
        text = " ".join(text.split()).replace("|", "\\|")
        route = rule.rule.replace("id_>", "id>").replace("int:", "")
        yield f"| `{route}` | {methods} | {text} |"


def _fields(form: Any) -> Iterator[str]:
    for field in form:
        if field.type in ("HiddenField", "CSRFTokenField"):
            continue
        # Not by comparing: the number 1 equals True.
        value = "y" if field.data is True else field.data
        default = "" if value in (None, "") or value is False else f"`{value}`"
        choices = ""
        if field.name not in (
            "dataset",
            "previous_networks",
            "classifier",
            "standard_networks",
            "select_gpu",
        ):
            values = [value for value, *_ in getattr(field, "choices", None) or ()]
            choices = (
                " One of " + ", ".join(f"`{value}`" for value in values if value) + "."
                if values
                else ""
            )
        kind = "An upload. " if field.type == "FileField" else ""
        words = f"{kind}{field.label.text}. {field.description}{choices}".replace(
            "|", "\\|"
        ).strip()
        yield f"| `{field.name}` | {default} | {words} |"


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page(), "docs/make_rest.py"))
