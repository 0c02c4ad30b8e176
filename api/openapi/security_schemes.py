"""Who may use an operation, as the document's security schemes tell it."""

from typing import Any

from api.domain.permissions.actions import Action
from api.domain.permissions.table import may_anybody, roles_that_may, scopes_that_let
from api.domain.vocabulary import Scope
from api.http.oauth_refusals import TOKEN_PATH

PERSON, SOFTWARE, CLIENT = "person", "software", "client"

SECURITY_SCHEMES: dict[str, Any] = {
    PERSON: {
        "type": "oauth2",
        "description": "Somebody who signs in with address and password, and may do what their "
        "role and their part in a case allow.",
        "flows": {"password": {"tokenUrl": TOKEN_PATH, "refreshUrl": TOKEN_PATH, "scopes": {}}},
    },
    SOFTWARE: {
        "type": "oauth2",
        "description": "The clinic's software, which signs in with the id and secret of its "
        "service account, and may do what the account's scopes name.",
        "flows": {
            "clientCredentials": {
                "tokenUrl": TOKEN_PATH,
                "scopes": {str(scope): scope.definition for scope in Scope},
            }
        },
    },
    CLIENT: {
        "type": "http",
        "scheme": "bearer",
        "description": "A client, or a guardian, at the door of a case, by the token that "
        "`POST /door/v1/session` gives for a code or a receipt. It opens nothing but the door, for "
        "thirty minutes since the last request and four hours at most.",
    },
}
"""They take the place of the framework's own."""

AT_DOOR: list[dict[str, list[str]]] = [{CLIENT: []}]
"""The scheme by which everything at a client's door is asked."""


def security_of(action: Action) -> list[dict[str, list[str]]]:
    """Name the schemes by which an action may be done, software's each with a scope."""
    scopes = scopes_that_let(action)
    security: list[dict[str, list[str]]] = []
    if roles_that_may(action) or may_anybody(action):
        security.append({PERSON: []})
    security += [{SOFTWARE: [str(scope)]} for scope in scopes]
    if may_anybody(action):
        security.append({SOFTWARE: []})
    return security
