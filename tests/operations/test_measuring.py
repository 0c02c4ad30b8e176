"""What the tests reach is measured where that is asked for, and too little of it is a failure."""

import pytest

from tests.support.measuring import LEAST, MEASURE, enough


def test_it_is_measured_where_that_is_asked_for_and_from_the_first_line(
    pytestconfig: pytest.Config,
) -> None:
    assert (MEASURE is not None) is pytestconfig.getoption("cov")
    if MEASURE is not None:
        # most lines of this run as it is imported
        words = MEASURE.here()["files"]["api/domain/vocabulary.py"]
        assert len(words["executed_lines"]) > 10 * len(words["missing_lines"])


@pytest.mark.parametrize(("share", "is_enough"), [(LEAST, True), (LEAST - 0.01, False)])
def test_less_than_it_must_be_is_not_enough(share: float, is_enough: bool) -> None:
    assert enough({"summary": {"percent_covered": share}}) is is_enough
