"""A day of a clinic, in the functions and types that a generator made of the API's description.

    python clinic_day.py URL < {"email": …, "password": …} of the clinic's first admin

Needs the generated package `boundary_notes_client`, which needs httpx and attrs; nothing else is
imported, and no request is written by hand. Prints what happened as one JSON object.
"""

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID, uuid4

from boundary_notes_client import AuthenticatedClient, Client
from boundary_notes_client.api.cases import change_case, list_cases, open_case, read_case
from boundary_notes_client.api.consultations import (
    accept_consultation,
    complete_consultation,
    draft_consultation,
    request_consultation,
    respond_to_advice,
    start_consultation,
)
from boundary_notes_client.api.flags import acknowledge_flag, read_flag, resolve_flag
from boundary_notes_client.api.incidents import list_incidents_of_case, report_incident
from boundary_notes_client.api.people import create_service_account, create_user, link, read_me
from boundary_notes_client.api.promises import change_promise, record_promise
from boundary_notes_client.api.queue import read_queue
from boundary_notes_client.api.sign_in import sign_in, sign_out
from boundary_notes_client.models import (
    AccessToken,
    Advice,
    AdviceAnswer,
    AdviceResponse,
    CaseCreate,
    CasePage,
    CasePatch,
    CaseRead,
    CaseWritten,
    ClientCredentialsGrant,
    ConsultationCreate,
    ConsultationKind,
    ConsultationOutcome,
    ConsultationStatus,
    ConsultationUrgency,
    ConsultationWritten,
    ContactDetails,
    Determination,
    ExpressedBy,
    ExpressionDetails,
    ExpressionDetailsRead,
    Feeling,
    FlagAcknowledgement,
    FlaggedCase,
    FlaggedCasePage,
    FlagRead,
    FlagResolution,
    FlagStatus,
    FrameChangeDetails,
    FrameChangeDetailsRead,
    FrameDirection,
    FrameElement,
    GiftDetails,
    GiftDirection,
    GiftItem,
    IncidentCreate,
    IncidentPage,
    IncidentWritten,
    Initiator,
    Interaction,
    MeRead,
    Nothing,
    PasswordGrant,
    Problem,
    PromiseCreate,
    PromiseKind,
    PromiseMadeBy,
    PromisePatch,
    PromiseScope,
    PromiseSource,
    PromiseState,
    PromiseWritten,
    RefreshTokenGrant,
    ReportedBy,
    Scope,
    SecondRole,
    SecondRoleDetails,
    SecondRoleDetailsRead,
    ServiceAccountCreate,
    ServiceAccountMade,
    Severity,
    Significance,
    SupervisionCreate,
    SupervisionRead,
    UserCreate,
    UserCreateRole,
    UserRead,
)
from boundary_notes_client.types import UNSET, Response, Unset

PASSWORD = "a password only for this day"
TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)
Answer = TypeVar("Answer")


@dataclass
class Clinic:
    """Who works here, each signed in."""

    anonymous: Client
    admin: AuthenticatedClient
    clinician: AuthenticatedClient
    supervisor: AuthenticatedClient
    software: AuthenticatedClient


def given(answer: Response[Any], kind: type[Answer]) -> Answer:
    """Give what an operation answered, which must be of this class."""
    assert isinstance(answer.parsed, kind), (answer.status_code, answer.content)
    return answer.parsed


def refused(answer: Response[Any], status: HTTPStatus) -> Problem:
    """Give the problem document of a refusal with this status."""
    problem = given(answer, Problem)
    assert answer.status_code == problem.status == status, problem
    assert problem.type_.startswith("urn:boundary-notes:")
    assert UUID(problem.request_id)
    assert problem.detail.endswith(".")
    return problem


def signed_in(
    anonymous: Client, grant: PasswordGrant | RefreshTokenGrant | ClientCredentialsGrant
) -> tuple[AuthenticatedClient, AccessToken]:
    token = given(sign_in.sync_detailed(client=anonymous, body=grant), AccessToken)
    assert token.token_type == "bearer"
    url = str(anonymous.get_httpx_client().base_url)
    return AuthenticatedClient(base_url=url, token=token.access_token), token


def by_password(anonymous: Client, email: str, password: str) -> AuthenticatedClient:
    grant = PasswordGrant(grant_type="password", username=email, password=password)
    first, token = signed_in(anonymous, grant)
    assert given(read_me.sync_detailed(client=first), MeRead).email == email
    # whoever stays longer than ten minutes signs in by what they were given for that
    assert isinstance(token.refresh_token, str)
    again = RefreshTokenGrant(grant_type="refresh_token", refresh_token=token.refresh_token)
    return signed_in(anonymous, again)[0]


def staff(url: str, email: str, password: str) -> Clinic:
    """The admin hires a clinician and a supervisor, links them, and lets software in."""
    anonymous = Client(base_url=url)
    admin = by_password(anonymous, email, password)
    ids = {}
    for role in (UserCreateRole.CLINICIAN, UserCreateRole.SUPERVISOR):
        user = UserCreate(
            name=f"A {role}", email=f"{role}@day.example", role=role, password=PASSWORD
        )
        answer = create_user.sync_detailed(client=admin, body=user, idempotency_key=str(uuid4()))
        ids[role] = given(answer, UserRead).id
    supervision = SupervisionCreate(
        supervisor_id=ids[UserCreateRole.SUPERVISOR],
        clinician_id=ids[UserCreateRole.CLINICIAN],
        starts_on=YESTERDAY,
    )
    made = given(link.sync_detailed(client=admin, body=supervision), SupervisionRead)
    assert made.ends_on is None
    account = given(
        create_service_account.sync_detailed(
            client=admin,
            body=ServiceAccountCreate(name="Calendar", scopes=[Scope("cases:read")]),
        ),
        ServiceAccountMade,
    )
    grant = ClientCredentialsGrant(
        grant_type="client_credentials",
        client_id=account.client_id,
        client_secret=account.client_secret,
    )
    software, token = signed_in(anonymous, grant)
    assert not token.refresh_token
    assert token.scope == "cases:read"
    return Clinic(
        anonymous,
        admin,
        by_password(anonymous, "clinician@day.example", PASSWORD),
        by_password(anonymous, "supervisor@day.example", PASSWORD),
        software,
    )


def open_one(clinic: Clinic, ref: str) -> CaseWritten:
    body = CaseCreate(client_ref=ref, started_on=YESTERDAY)
    opened = given(open_case.sync_detailed(client=clinic.clinician, body=body), CaseWritten)
    assert opened.client_ref == ref
    assert opened.flags_raised == []
    return opened


def report_several(clinic: Clinic, case: CaseWritten) -> list[IncidentWritten]:
    """The clinician reports what was felt, and what was done; feelings raise no flag."""
    kinds = (
        ExpressionDetails(
            kind="expression", by=ExpressedBy.CLIENT, feelings=[Feeling.LOVE, Feeling.ANGER]
        ),
        FrameChangeDetails(
            kind="frame_change",
            direction=FrameDirection.TIGHTEN,
            elements=[FrameElement.EMAIL_REPLIES],
            discussed=False,
        ),
        SecondRoleDetails(
            kind="second_role", role=SecondRole.BUSINESS, interaction=Interaction.REGULAR
        ),
        GiftDetails(kind="gift", direction=GiftDirection.FROM_CLIENT, item=GiftItem.GIFT),
        ContactDetails(kind="contact", client_messages_30d=12, limits_agreed=True),
    )
    reported = [
        given(
            report_incident.sync_detailed(
                case.id,
                client=clinic.clinician,
                body=IncidentCreate(
                    occurred_on=TODAY,
                    initiator=Initiator.THERAPIST,
                    reported_by=ReportedBy.THERAPIST,
                    narrative="As I remember it.",
                    details=details,
                ),
            ),
            IncidentWritten,
        )
        for details in kinds
    ]
    felt, tightened, beside, *_ = reported
    assert isinstance(felt.details, ExpressionDetailsRead)
    assert felt.details.feelings == [Feeling.LOVE, Feeling.ANGER]
    assert felt.flags_raised == []
    assert isinstance(tightened.details, FrameChangeDetailsRead)
    assert tightened.details.notice_days is None
    assert [flag.rule for flag in tightened.flags_raised] == ["frame_tightened_unprepared"]
    assert isinstance(beside.details, SecondRoleDetailsRead)
    listed = given(
        list_incidents_of_case.sync_detailed(case.id, client=clinic.clinician), IncidentPage
    )
    assert [each.id for each in listed.items] == [each.id for each in reversed(reported)]
    assert [each.details for each in listed.items] == [each.details for each in reversed(reported)]
    return reported


def break_promise(clinic: Clinic, case: CaseWritten) -> PromiseWritten:
    """The clinician records a promise, and then that it was not kept; a stale change is refused."""
    body = PromiseCreate(
        wording="I will always answer within a day.",
        made_by=PromiseMadeBy.THERAPIST,
        source=PromiseSource.EXPLICIT,
        kind=PromiseKind.PROFESSIONAL_AVAILABILITY,
        scope=PromiseScope.WITHIN_FRAME,
        significance=Significance.MAJOR,
        made_on=YESTERDAY,
        reported_by=ReportedBy.THERAPIST,
    )
    answer = record_promise.sync_detailed(case.id, client=clinic.clinician, body=body)
    promise = given(answer, PromiseWritten)
    assert answer.headers["ETag"] == f'"{promise.version}"'

    def change(version: int) -> Response[PromiseWritten | Problem]:
        return change_promise.sync_detailed(
            promise.id,
            client=clinic.clinician,
            body=PromisePatch(state=PromiseState.BROKEN),
            if_match=f'"{version}"',
        )

    broken = given(change(promise.version), PromiseWritten)
    assert broken.wording == promise.wording
    assert broken.version == promise.version + 1
    (flag,) = broken.flags_raised
    assert (flag.rule, flag.severity) == ("promise_broken", Severity.HIGH)
    assert flag.due_at is not None
    assert flag.due_at > flag.effective_at
    assert (
        "Read it again" in refused(change(promise.version), HTTPStatus.PRECONDITION_FAILED).detail
    )
    return broken


def consult(
    clinic: Clinic, case: CaseWritten, incidents: list[IncidentWritten], promise: PromiseWritten
) -> ConsultationWritten:
    """The clinician asks, the supervisor answers, and the clinician says what became of it."""
    body = ConsultationCreate(
        kind=ConsultationKind.SUPERVISION,
        urgency=ConsultationUrgency.PRIORITY,
        question="What do I owe to whom I promised too much?",
        incident_ids=[each.id for each in incidents[1:3]],
        promise_ids=[promise.id],
    )
    draft = given(
        draft_consultation.sync_detailed(case.id, client=clinic.clinician, body=body),
        ConsultationWritten,
    )
    asked = request_consultation.sync_detailed(draft.id, client=clinic.clinician)
    assert given(asked, ConsultationWritten).status is ConsultationStatus.REQUESTED
    for move in (accept_consultation, start_consultation):
        given(
            move.sync_detailed(draft.id, client=clinic.supervisor, body=Nothing()),
            ConsultationWritten,
        )
    advice = Advice(
        outcome=ConsultationOutcome.FRAME_PLAN_AGREED, advice="Say what you can keep, and keep it."
    )
    done = complete_consultation.sync_detailed(draft.id, client=clinic.supervisor, body=advice)
    assert given(done, ConsultationWritten).status is ConsultationStatus.COMPLETED
    answered = given(
        respond_to_advice.sync_detailed(
            draft.id, client=clinic.clinician, body=AdviceAnswer(response=AdviceResponse.ACCEPTED)
        ),
        ConsultationWritten,
    )
    assert answered.advice == advice.advice
    assert answered.response is AdviceResponse.ACCEPTED
    return answered


def pages_of_queue(clinic: Clinic) -> list[FlaggedCase]:
    """The supervisor reads her queue one case at a time, as far as the cursor leads."""
    seen: list[FlaggedCase] = []
    cursor: str | Unset = UNSET
    while not seen or cursor:
        answer = read_queue.sync_detailed(client=clinic.supervisor, limit=1, cursor=cursor)
        page = given(answer, FlaggedCasePage)
        assert len(page.items) == 1
        seen += page.items
        cursor = page.next_ or UNSET
    return seen


def look_at(clinic: Clinic, flag: FlagRead) -> FlagRead:
    """The supervisor takes a flag on, and says what a look at it has shown."""
    taken = given(
        acknowledge_flag.sync_detailed(
            flag.id, client=clinic.supervisor, body=FlagAcknowledgement()
        ),
        FlagRead,
    )
    assert taken.status is FlagStatus.ACKNOWLEDGED
    assert taken.acknowledged_at is not None
    resolution = FlagResolution(
        determination=Determination.CROSSING_NEEDS_REPAIR, resolution_note="Talked over with both."
    )
    given(resolve_flag.sync_detailed(flag.id, client=clinic.supervisor, body=resolution), FlagRead)
    resolved = given(read_flag.sync_detailed(flag.id, client=clinic.supervisor), FlagRead)
    assert resolved.status is FlagStatus.RESOLVED
    assert resolved.determination is Determination.CROSSING_NEEDS_REPAIR
    return resolved


def be_refused(clinic: Clinic, case: CaseWritten) -> None:
    """What cannot be is told as a problem document, of one class whatever the status."""
    nobody = read_case.sync_detailed(uuid4(), client=clinic.clinician)
    assert refused(nobody, HTTPStatus.NOT_FOUND).detail == "There is no such record here."
    refused(read_case.sync_detailed(case.id, client=clinic.admin), HTTPStatus.FORBIDDEN)
    patch = CasePatch(ended_on=YESTERDAY - timedelta(days=1))
    version = given(read_case.sync_detailed(case.id, client=clinic.clinician), CaseRead).version
    ended_too_soon = change_case.sync_detailed(
        case.id, client=clinic.clinician, body=patch, if_match=f'"{version}"'
    )
    errors = refused(ended_too_soon, HTTPStatus.UNPROCESSABLE_ENTITY).errors
    assert errors
    assert [error.pointer for error in errors] == ["/ended_on"]
    given(sign_out.sync_detailed(client=clinic.admin), type(None))
    refused(read_me.sync_detailed(client=clinic.admin), HTTPStatus.UNAUTHORIZED)


def main(url: str, email: str, password: str) -> dict[str, object]:
    clinic = staff(url, email, password)
    case, other = open_one(clinic, "DAY-1"), open_one(clinic, "DAY-2")
    incidents = report_several(clinic, case)
    promise = break_promise(clinic, case)
    break_promise(clinic, other)
    consultation = consult(clinic, case, incidents, promise)
    queue = pages_of_queue(clinic)
    assert {item.case.id for item in queue} == {case.id, other.id}
    resolved = [look_at(clinic, flag) for item in queue for flag in item.flags]
    emptied = read_queue.sync_detailed(client=clinic.supervisor)
    assert given(emptied, FlaggedCasePage).items == []
    be_refused(clinic, case)
    listed = given(list_cases.sync_detailed(client=clinic.software), CasePage).items
    return {
        "incidents": [each.details.kind for each in incidents],
        "promise": promise.state,
        "consultation": consultation.status,
        "resolved": sorted(flag.rule for flag in resolved),
        # clinicians' words are not for software that was not given the right to them
        "software_sees": [[str(each.id), each.client_ref] for each in listed],
        "cases": [str(each.id) for each in (other, case)],
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], **json.load(sys.stdin))))
