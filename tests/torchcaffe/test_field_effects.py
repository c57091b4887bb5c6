"""Every field of a prototxt affects what a net or solver does, is refused, or has a reason."""

import importlib.util

import data_field_cases
import layer_field_cases
import net_field_cases
import numpy as np
import pytest
import solver_field_cases
from field_effects import (
    bench_net,
    make_files,
    merge,
    net_of,
    observe_net,
    observe_solver,
    same,
)

import torchcaffe
from caffeformat import InputError, parse_text, pb, write_caffemodel
from caffeformat.messages import unread_fields
from torchcaffe.core import device

pytestmark = pytest.mark.both_modes(slow_on_gpu=True)

BENCHES = [
    (name, bench)
    for name, benches in {**layer_field_cases.CASES, **data_field_cases.CASES}.items()
    for bench in (benches if isinstance(benches, list) else [benches])
]
LAYER_FIELDS = [(name, bench, field) for name, bench in BENCHES for field in bench.fields]


@pytest.fixture(scope="module")
def page(repo):
    """docs/make_layers.py, which states for every field whether it has an effect."""
    spec = importlib.util.spec_from_file_location("make_layers", repo / "docs/make_layers.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(repo / "docs")  # for the module that the page's makers share
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("fields")
    make_files(made)
    for name, text in solver_field_cases.TRAINED_NETS.items():
        (made / f"{name}.prototxt").write_text(text)
    weights = {"fc": [np.ones((2, 2), np.float32), np.ones(2, np.float32)]}
    write_caffemodel(made / "start.caffemodel", weights)
    return made


@pytest.fixture(autouse=True)
def own_layers(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    torchcaffe.allow_python_modules("field_layers", "other_field_layers")


_without = {}  # what is seen without a field, by device and base: many fields share one


def assert_effect(text, observe, base):
    """`observe(text)` shows another thing than without the field, or ends in the expected error.

    `base` is what all fields have in common that `observe` puts `text` into.
    """
    key = (device.current_device(), base)
    if key not in _without:
        _without[key] = observe("")
        again = observe("")
        assert same(_without[key], again), "not the same twice: chance would pass for an effect"
    if isinstance(text, tuple):
        with pytest.raises(InputError, match=text[1]):
            observe(text[0])
    else:
        assert not same(_without[key], observe(text))


@pytest.mark.parametrize(
    "name, bench, field", LAYER_FIELDS, ids=lambda part: part if isinstance(part, str) else ""
)
def test_a_field_of_a_layer_shows(folder, name, bench, field):
    def observe(text):
        net = bench_net(name, bench, folder, text)
        return observe_net(net, bench.phase, folder, bench)

    assert_effect(bench.fields[field], observe, (name, id(bench)))
    text = bench.fields[field]
    assert (
        unread_fields(bench_net(name, bench, folder, text if isinstance(text, str) else "")) == []
    )


@pytest.mark.parametrize("message, field", net_field_cases.NET_CASES)
def test_a_field_of_a_net_shows(folder, message, field):
    base, changed = net_field_cases.NET_CASES[message, field]

    def observe(text):
        return observe_net(net_of(text or base, folder), "TRAIN", folder)

    assert_effect(changed, observe, ("net", base))


@pytest.mark.parametrize("message, field", solver_field_cases.SOLVER_CASES)
def test_a_field_of_a_solver_shows(folder, message, field):
    base, changed = solver_field_cases.SOLVER_CASES[message, field]

    def observe(text):
        solver = parse_text(base.replace("@", str(folder)), pb.SolverParameter)
        merge(solver, text, folder)
        return observe_solver(solver, folder)

    assert_effect(changed, observe, ("solver", base))


def other_text(field):
    """Text that sets a field to something else than its default."""
    if field.message_type is not None:
        return f"{field.name} {{ value: 3 }}"
    if field.enum_type is not None:
        others = (v.name for v in field.enum_type.values if v.number != field.default_value)
        return f"{field.name}: {next(others)}"
    if field.type == field.TYPE_BOOL:
        return f"{field.name}: {str(not field.default_value).lower()}"
    return f'{field.name}: "x"' if field.type == field.TYPE_STRING else f"{field.name}: 3"


def test_a_field_without_effect_shows_nothing(page, folder):
    benches, shown, looked = dict(reversed(BENCHES)), [], 0
    for name, message, fields in page.table():
        for field, _, state in fields:
            if state == "yes" or (message, field) in page.REFUSED:
                continue
            bench, looked = benches[name], looked + 1
            text = other_text(getattr(pb, message).DESCRIPTOR.fields_by_name[field])
            seen = [
                observe_net(bench_net(name, bench, folder, given), bench.phase, folder, bench)
                for given in ("", text)
            ]
            if not same(*seen):
                shown.append(f"{name}.{field}")
    assert looked > 30
    assert shown == []


def test_every_field_has_a_case_or_a_reason(page):
    """Fields with an effect have a case, refused ones a case that is refused, others a reason."""
    cases = {(name, field): bench.fields[field] for name, bench, field in LAYER_FIELDS}
    for (message, field), (_, changed) in [
        *net_field_cases.NET_CASES.items(),
        *solver_field_cases.SOLVER_CASES.items(),
    ]:
        cases[message, field] = changed
    stated = {
        (name, field): (state, (message, field) in page.REFUSED)
        for name, message, fields in [
            *page.table(),
            *((message, message, fields) for message, fields in page.shared_table()),
        ]
        for field, _, state in fields
    }
    assert set(cases) - set(stated) == set()
    for key, (state, refused) in stated.items():
        assert (key in cases) is (state == "yes" or refused), key
        if refused:
            assert isinstance(cases[key], tuple), f"{key} is refused: its case must say how"


def test_reasons_are_given_for_fields_that_exist(page):
    known = {
        (message, field)
        for message, fields in [
            *((message, fields) for _, message, fields in page.table()),
            *page.shared_table(),
        ]
        for field, _, _ in fields
    }
    assert set(page.WITHOUT_EFFECT) | set(page.REFUSED) <= known | {
        ("DataParameter", "crop_size"),
        ("ImageDataParameter", "crop_size"),
        ("WindowDataParameter", "crop_size"),
    }


def test_the_page_is_current(page):
    assert page.PAGE.read_text(encoding="utf-8") == page.page()
