"""What a search finds, a page at a time."""

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar
from urllib.parse import urlencode

from api.fhir.elements import Element, Resource
from api.fhir.searching import EverySearch

R = TypeVar("R", bound=Resource)


class BundleLink(Element):
    """An address: of these results (`self`), or of the following ones (`next`)."""

    relation: Literal["self", "next"]
    url: str


class BundleSearch(Element):
    """Why an entry is here: it is what was searched for."""

    mode: Literal["match"] = "match"


class BundleEntry(Element, Generic[R]):
    """One resource, its address, and why it is here."""

    full_url: str
    resource: R
    search: BundleSearch = BundleSearch()


class Bundle(Element, Generic[R]):
    """One page of what was found, what was recorded last first; `entry` is left out where nothing.

    There is no `total`: counting what somebody may see costs as much as reading all of it.
    """

    resource_type: Literal["Bundle"] = "Bundle"
    type: Literal["searchset"] = "searchset"
    link: list[BundleLink]
    entry: list[BundleEntry[R]] | None = None


def bundle_of(
    base: str, kind: str, found: Sequence[R], query: EverySearch, following: str | None
) -> Bundle[R]:
    """Build a page. `query` is as it was carried out; `following` is the next page's cursor."""
    link = [BundleLink(relation="self", url=_address(base, kind, query))]
    if following is not None:
        after = query.model_copy(update={"cursor": following})
        link.append(BundleLink(relation="next", url=_address(base, kind, after)))
    entry = [
        BundleEntry[R](full_url=f"{base}/{kind}/{resource.id}", resource=resource)
        for resource in found
    ]
    return Bundle[R](link=link, entry=entry or None)


def _address(base: str, kind: str, query: EverySearch) -> str:
    asked = query.model_dump(mode="json", by_alias=True, exclude_none=True)
    return f"{base}/{kind}?{urlencode(asked, doseq=True)}"
