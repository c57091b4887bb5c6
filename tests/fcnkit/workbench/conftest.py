"""A workbench with a dataset of red and green squares and a model that was trained on it."""

import importlib.util
import os

import pytest

if importlib.util.find_spec("waitress") is None or importlib.util.find_spec("flask_wtf") is None:
    collect_ignore_glob = ["test_*.py"]  # the pages' extra is not installed: fcnkit[web]
else:
    from tiny_segmentation import CLASSES, net_text, write_dataset
    from workbench_site import Site


@pytest.fixture
def site(tmp_path):
    """An empty workbench."""
    found = Site(tmp_path)
    yield found
    found.bench.close()


@pytest.fixture(scope="session")
def trained(tmp_path_factory, needs_engine):
    """A workbench with a dataset (`dataset`) and a model of two epochs (`model`), not to change."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    found = Site(tmp_path_factory.mktemp("workbench"))
    write_dataset(str(found.data / "squares"))
    answer = found.post(
        "/datasets/generic/create/images.json",
        {
            "dataset_name": "squares",
            "source": "squares",
            "class_labels": "\n".join(CLASSES),
            "dsopts_num_threads": "1",
        },
    )
    found.dataset = answer.get_json()["id"]
    assert found.take(found.dataset) == "done", log(found, found.dataset)
    answer = found.post(
        "/models/images/generic.json",
        {
            "model_name": "a model",
            "dataset": found.dataset,
            "custom_network": net_text(),
            "train_epochs": "2",
            "learning_rate": "0.1",
            "lr_policy": "fixed",
            "random_seed": "1",
        },
    )
    found.model = answer.get_json()["id"]
    assert found.take(found.model) == "done", log(found, found.model)
    yield found
    found.bench.close()


def log(site, id_):
    with open(site.jobs.path(id_, "log.txt")) as file:
        return file.read()
