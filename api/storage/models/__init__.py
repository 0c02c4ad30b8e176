"""Every table. Whoever imports one of these has all of them in the metadata.

- `columns`: what tables are made of, and what every row of a clinic has;
- `people`: the clinic and its keys, users, software, sessions;
- `access`: supervision, covers, recusals, emergency openings, and who is told of them;
- `clinical`: cases and all that is recorded on them, earlier versions too;
- `disclosures`: copies of cases that were given;
- `door`: questionnaires, responses, invitations and what was sent by them;
- `accounts`: what clients said at their door, and what was answered;
- `flags`: what rules and people ask to be looked at;
- `journal`: the audit log and its signed tree heads;
- `integration`: webhooks, imports, requests that may be repeated;
- `mails`: e-mails that people are owed.

Each key begins with `clinic_id`, so that no row can point into another clinic and every table can
be spread over machines by clinic. Without `relationship()`, SQLAlchemy does not order inserts of
different tables by their foreign keys: flush the parent before its children.
"""

from api.storage.models import (
    access,
    accounts,
    clinical,
    disclosures,
    door,
    flags,
    integration,
    journal,
    mails,
    people,
)

__all__ = [
    "access",
    "accounts",
    "clinical",
    "disclosures",
    "door",
    "flags",
    "integration",
    "journal",
    "mails",
    "people",
]
