"""The public keys that access tokens can be checked with."""

from typing import Literal

from fastapi import APIRouter, Request

from api.domain.values import Output
from api.http.strict_route import StrictRoute
from api.security.tokens import AccessTokens

router = APIRouter(tags=["sign-in"], route_class=StrictRoute)


class PublicKeyRead(Output):
    """A public key, as a JSON Web Key (RFC 7517)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    use: Literal["sig"]
    alg: Literal["ES256"]


class PublicKeysRead(Output):
    """Every public key in use; none where tokens are signed with a secret."""

    keys: list[PublicKeyRead]


@router.get("/.well-known/jwks.json")
async def list_public_keys(request: Request) -> PublicKeysRead:
    """List the public keys that access tokens can be checked with."""
    tokens: AccessTokens = request.app.state.tokens
    return PublicKeysRead(
        keys=[
            PublicKeyRead(
                kty="EC", crv="P-256", x=key.x, y=key.y, kid=key.kid, use="sig", alg="ES256"
            )
            for key in tokens.published
        ]
    )
