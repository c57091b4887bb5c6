import threading

import pytest

from fcnkit.inference.ahead import ahead


def test_results_come_in_order_and_work_runs_beside_the_caller():
    main = threading.get_ident()
    made = list(ahead(lambda n: (n * n, threading.get_ident()), range(7)))
    assert [square for square, _ in made] == [n * n for n in range(7)]
    assert all(thread != main for _, thread in made)


def test_no_more_items_are_taken_than_may_wait():
    taken = []

    def items():
        for number in range(9):
            taken.append(number)
            yield number

    results = ahead(lambda n: n, items(), most=3)
    assert next(results) == 0 and taken == [0, 1, 2]
    results.close()
    assert taken == [0, 1, 2]


def test_an_exception_comes_in_its_turn_and_ends_the_work():
    def fail(number):
        if number == 2:
            raise ValueError("two")
        return number

    before, results, seen = threading.active_count(), ahead(fail, range(9)), []
    with pytest.raises(ValueError, match="two"):
        for made in results:
            seen.append(made)
    assert seen == [0, 1] and threading.active_count() == before


def test_whoever_stops_early_leaves_no_thread():
    before = threading.active_count()
    inner = ahead(lambda n: n, range(100))
    outer = ahead(lambda n: n, inner)
    assert next(outer) == 0
    outer.close()
    assert threading.active_count() == before and next(inner, None) is None


def test_what_the_items_raise_comes_after_the_results_before_it():
    def items():
        yield from (1, 2)
        raise ValueError("no third")

    before, results, seen = threading.active_count(), ahead(lambda n: 10 * n, items(), most=5), []
    with pytest.raises(ValueError, match="no third"):
        for made in results:
            seen.append(made)
    assert seen == [10, 20] and threading.active_count() == before


def test_an_item_s_own_failure_comes_before_that_of_a_later_one():
    def items():
        yield "bad"
        raise ValueError("later")

    def fail(item):
        raise KeyError(item)

    with pytest.raises(KeyError, match="bad"):
        list(ahead(fail, items()))
