"""No field of a layer is forgotten, and docs/layers.md is current."""

import importlib.util

import pytest


@pytest.fixture(scope="module")
def make_layers(repo):
    spec = importlib.util.spec_from_file_location("make_layers", repo / "docs/make_layers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_field_is_read_or_has_a_reason(make_layers):
    assert make_layers.forgotten() == []


def test_a_field_that_nobody_reads_is_found(make_layers):
    read = make_layers.read_fields("ReLU", make_layers._TYPES["ReLU"])
    assert make_layers.state("ReLU", "ReLUParameter", "negative_slope", read) == "read"
    assert make_layers.state("ReLU", "ReLUParameter", "colour", read) == ""


def test_reasons_are_given_for_fields_that_exist(make_layers):
    messages = {
        (message, field) for _, message, fields in make_layers.table() for field, _, _ in fields
    }
    assert {key for key in make_layers.WITHOUT_EFFECT if key[1] != "crop_size"} <= messages


def test_the_page_is_current(make_layers):
    assert make_layers.main(["--check"]) == 0
