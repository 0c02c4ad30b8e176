"""Which time zones there are, by the pinned data of IANA's database alone."""

from zoneinfo import available_timezones

from tzdata import IANA_VERSION

RELEASE: str = IANA_VERSION
"""The release of the database, such as `2026f`: servers of one clinic must not differ in it."""

NAMES = frozenset(available_timezones()) - {"Factory"}
"""Every name a clinic's zone may have; `Factory` is what a computer says that was told none."""
