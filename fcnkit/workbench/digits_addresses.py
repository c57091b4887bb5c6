"""DIGITS' addresses that lead elsewhere here, and those of what this is not for."""

from __future__ import annotations

from typing import Any

import flask
import werkzeug.exceptions

from caffeformat import InputError

from . import explore
from .job_pages import job_or_404, page_of

blueprint = flask.Blueprint("digits", __name__)


@blueprint.get("/datasets/images/generic/new")
@blueprint.get("/datasets/generic/new")
def new_dataset() -> Any:
    """Lead to the form of a new dataset."""
    return flask.redirect(flask.url_for("dataset.new"))


@blueprint.get("/datasets/images/generic/explore")
def explore_databases() -> Any:
    """Lead from DIGITS' address to the page."""
    return explore.digits_address()


@blueprint.get("/models/images/generic/new")
@blueprint.get("/models/images/generic/new/<extension_id>")
def new_model(extension_id: str = "") -> Any:
    """Lead to the form of a new model."""
    return flask.redirect(flask.url_for("model.new"))


@blueprint.get("/models/images/generic/large_graph")
def large_graph() -> Any:
    """Lead to the page of a model, which has its curves."""
    return flask.redirect(page_of(job_or_404(flask.request.args.get("job_id", ""), "model")[0]))


@blueprint.post("/models/images/generic/infer_extension.json")
def infer_extension() -> Any:
    """Refuse the form of an extension, whose answer is a page: other routes take its images."""
    raise InputError(
        "infer_extension answers with a page: post images to /models/images/generic/infer_one.json "
        "or infer_many.json, or keys of a database to infer_db.json"
    )


@blueprint.route("/<any(datasets, models):what>/images/classification", methods=["GET", "POST"])
@blueprint.route("/<any(datasets, models):what>/images/classification.json", methods=["POST"])
@blueprint.route(
    "/<any(datasets, models):what>/images/classification/<path:rest>", methods=["GET", "POST"]
)
def classification(what: str, rest: str = "") -> Any:
    """Refuse to classify, with the address to take for segmentation."""
    instead = {
        "datasets": "/datasets/generic/create/images.json",
        "models": "/models/images/generic.json",
    }[what]
    raise werkzeug.exceptions.NotFound(
        f"Images are segmented here, not classified: post to {instead}, or take DIGITS for whole "
        "images of one class."
    )
