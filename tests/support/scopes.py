"""What each scope opens."""

CASES_READ = {
    "GET /v1/cases",
    "GET {case}",
    "GET {case}/timeline",
    "GET /v1/incidents",
    "GET {case}/incidents",
    "GET {incident}",
    "GET /v1/promises",
    "GET {case}/promises",
    "GET {promise}",
}
CASES_WRITE = {
    "POST /v1/cases",
    "PATCH {case}",
    "DELETE {case}",
    "POST {case}/incidents",
    "PATCH {incident}",
    "DELETE {incident}",
    "POST {case}/promises",
    "PATCH {promise}",
    "DELETE {promise}",
}
CONSULTATIONS_CREATE = {
    "POST {case}/consultations",
    "PATCH {consultation}",
    "POST {consultation}/request",
    "POST {consultation}/cancel",
}
CONSULTATIONS_READ = {
    "GET /v1/consultations",
    "GET {case}/consultations",
    "GET {consultation}",
}
FLAGS_READ = {
    "GET /v1/flags",
    "GET {case}/flags",
    "GET {flag}",
    "GET /v1/flagged-cases",
    "GET /v1/summary",
}
OPENS: dict[str, set[str]] = {
    "cases:read": CASES_READ,
    "cases:write": CASES_WRITE,
    "narrative:read": set(),
    "restricted:write": set(),
    "consultations:create": CONSULTATIONS_CREATE,
    "consultations:read": CONSULTATIONS_READ,
    "flags:read": FLAGS_READ,
    "invitations:create": {"POST {case}/invitations", "POST /v1/invitations"},
}
