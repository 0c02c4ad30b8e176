"""Which language is chosen: as a request asks, as its person likes, as their clinic does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.accept_headers import weighed
from api.languages.choosing import choose
from api.languages.spoken import IN_ENGLISH, KNOWN

CHOSEN = {
    # header: chosen of nobody, of a reader of Spanish, of a reader of English in a Spanish clinic
    "": ("en", "es", "en"),
    "es": ("es", "es", "es"),
    "en": ("en", "en", "en"),
    "ES": ("es", "es", "es"),
    "es-MX": ("es", "es", "es"),
    "es-419, en;q=0.9": ("es", "es", "es"),
    "es-Latn-MX": ("es", "es", "es"),
    "en-GB, en;q=0.9, es;q=0.8": ("en", "en", "en"),
    "en;q=0.8, es;q=0.9": ("es", "es", "es"),
    "en;q=0.8 , es ; q=0.9": ("es", "es", "es"),
    "es;q=0.5, en;q=0.5": ("es", "es", "es"),
    "es;q=0.2, en;q=0.5, es-MX;q=0.8": ("es", "es", "es"),
    # what is not known is passed over
    "fr": ("en", "es", "en"),
    "fr, es;q=0.1": ("es", "es", "es"),
    "esperanto, est, e": ("en", "es", "en"),
    # any is the one they like
    "*": ("en", "es", "en"),
    "fr, *;q=0.1": ("en", "es", "en"),
    "es, *;q=0.5": ("es", "es", "es"),
    "en;q=0.5, *": ("es", "es", "es"),
    # what they do not want
    "es;q=0": ("en", "en", "en"),
    "en;q=0": ("es", "es", "es"),
    "*, en;q=0": ("es", "es", "es"),
    "en;q=0, es;q=0": ("en", "en", "en"),
    "*;q=0": ("en", "es", "en"),
    "es, en;q=0, *;q=0": ("es", "es", "es"),
    # what makes no sense says nothing
    "es;q=1.5": ("en", "es", "en"),
    "es;q=x": ("en", "es", "en"),
    "es;q=-1, en;q=0.0001": ("en", "es", "en"),
    ",;q=,;;=,": ("en", "es", "en"),
    "-es, es_MX, e s, -": ("en", "es", "en"),
    "es" + "-x" * 40: ("en", "es", "en"),
    "ñ; ¿": ("en", "es", "en"),
}


@pytest.mark.parametrize("header", CHOSEN)
def test_the_best_known_language_is_chosen(header: str) -> None:
    asked = weighed(header)
    chosen = (choose(asked), choose(asked, None, "es"), choose(asked, "en", "es"))
    assert chosen == CHOSEN[header]


def test_somebodys_own_comes_before_their_clinics() -> None:
    assert choose([], "es", "en") == choose([], "es", None) == choose([], None, "es") == "es"
    assert choose([], "en", "es") == choose([], None, None) == choose([]) == IN_ENGLISH


def test_what_is_no_language_any_more_is_nobodys_wish() -> None:
    assert choose([], "xx", "es") == "es"
    assert choose([], "xx", "es-MX") == IN_ENGLISH


PARTS = st.sampled_from(["es", "en", "es-mx", "*", "fr", ";q=0", ";q=0.5", ";q=1", ",", " ", "-"])


@given(header=st.lists(PARTS | st.text(max_size=3)).map("".join), own=st.sampled_from(["es", None]))
def test_whatever_is_sent_a_known_language_is_chosen(header: str, own: str | None) -> None:
    assert choose(weighed(header), own) in KNOWN


def test_of_a_header_without_end_no_more_is_read_than_anybody_wishes() -> None:
    assert len(weighed("es-1," * 200_000)) < 1_000
    assert weighed("es") == [("es", 1.0)]
