"""Why somebody who sees a case may not do something with it: sentences that are true."""

from dataclasses import replace

from api.domain.permissions.actions import Action
from api.domain.permissions.case_rules import Standing, why_not
from api.domain.permissions.on_a_case import KEPT_NOTE


def test_whoever_keeps_a_note_is_told_that_they_see_no_more_of_its_case() -> None:
    keeping = Standing(keeping=True)
    assert {why_not(action, keeping) for action in KEPT_NOTE} == {None}
    refusal = why_not(Action.note_cosign, keeping)
    assert refusal == "You no longer see this case: only the notes that you wrote stay yours."
    assert why_not(Action.note_cosign, replace(keeping, opened=True)) != refusal


def test_a_refusal_names_all_for_whom_it_would_be_none() -> None:
    for action in Action:
        refusal = why_not(action, Standing(consulting=True))
        if refusal is not None:
            own, linked = (why_not(action, Standing(**{who: True})) for who in ("own", "linked"))
            assert ("own clinician" in refusal) is (own is None), action
            assert ("supervisor" in refusal) is (linked is None or own is not None), action
