"""What a search finds, a page at a time."""

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar
from urllib.parse import urlencode

from api.interop.fhir.elements import Element, Identified, Instant, Resource
from api.interop.fhir.searching import OfPages

R = TypeVar("R", bound=Identified)
V = TypeVar("V", bound=Resource)


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


class HistoryRequest(Element):
    """What wrote a version, as FHIR would have had it: here it was our own API."""

    method: Literal["POST", "PUT"]
    url: str


class HistoryResponse(Element):
    """What that was answered."""

    status: Literal["200", "201"]
    etag: str
    last_modified: Instant


class HistoryEntry(Element, Generic[V]):
    """One version of a resource, and how it came to be."""

    full_url: str
    resource: V
    request: HistoryRequest
    response: HistoryResponse


class History(Element, Generic[V]):
    """One page of a resource's versions, the present one first."""

    resource_type: Literal["Bundle"] = "Bundle"
    type: Literal["history"] = "history"
    link: list[BundleLink]
    entry: list[HistoryEntry[V]] | None = None


def history_of(
    base: str, kind: str, row_id: str, versions: Sequence[V], query: OfPages, following: str | None
) -> History[V]:
    """Build a page of the versions of one resource."""
    at = f"{kind}/{row_id}"
    return History[V](
        link=_links(base, f"{at}/_history", query, following),
        entry=[_entry(f"{base}/{at}", at, each) for each in versions] or None,
    )


def _entry(full_url: str, at: str, version: V) -> HistoryEntry[V]:
    number, is_first = version.meta.version_id, version.meta.version_id == "1"
    return HistoryEntry[V](
        full_url=full_url,
        resource=version,
        request=HistoryRequest(
            method="POST" if is_first else "PUT", url=at.partition("/")[0] if is_first else at
        ),
        response=HistoryResponse(
            status="201" if is_first else "200",
            etag=f'W/"{number}"',
            last_modified=version.meta.last_updated,
        ),
    )


def bundle_of(
    base: str, kind: str, found: Sequence[R], query: OfPages, following: str | None
) -> Bundle[R]:
    """Build a page. `query` is as it was carried out; `following` is the next page's cursor."""
    link = _links(base, kind, query, following)
    # the class of every type: to look up that of one would cost more than the entry
    entry: list[BundleEntry[R]] = [
        BundleEntry(full_url=f"{base}/{kind}/{resource.id}", resource=resource)
        for resource in found
    ]
    return Bundle[R](link=link, entry=entry or None)


def _links(base: str, path: str, query: OfPages, following: str | None) -> list[BundleLink]:
    link = [BundleLink(relation="self", url=_address(base, path, query))]
    if following is not None:
        after = query.model_copy(update={"cursor": following})
        link.append(BundleLink(relation="next", url=_address(base, path, after)))
    return link


def _address(base: str, path: str, query: OfPages) -> str:
    asked = query.model_dump(mode="json", by_alias=True, exclude_none=True)
    return f"{base}/{path}?{urlencode(asked, doseq=True)}"
