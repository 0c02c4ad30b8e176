"""What the tests reach is measured once, and what asks the same thousands of times is not."""

import sys

import pytest
from coverage import Coverage


@pytest.mark.unmeasured
def test_what_is_not_to_be_measured_runs_without_a_measure() -> None:
    # in a worker of pytest-xdist there were two; the second one went on
    assert Coverage.current() is None
    assert sys.gettrace() is None


def test_the_rest_is_measured_where_that_is_asked_for(pytestconfig: pytest.Config) -> None:
    asked = bool(pytestconfig.getoption("cov_source")) and not pytestconfig.getoption("no_cov")
    assert (Coverage.current() is not None) is asked
