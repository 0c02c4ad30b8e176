"""What pages say, in the language of who reads them: texts, days, how long ago, names of words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from api.desk.fields import LANGUAGE, RULE, Field
from api.desk.labels import LANGUAGES, help_of, label_of
from api.domain.errors import every_refusal
from api.domain.vocabulary import VOCABULARY, DatePrecision
from api.languages.messages import asks_id, messages, page_id
from api.languages.spoken import IN_ENGLISH, Spoken, language_of, title_of

_A_DAY = timedelta(days=1)
_AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Words:
    """A language, and the zone in which days are told."""

    language: Spoken
    zone: ZoneInfo
    now: datetime

    @classmethod
    def of(cls, code: str, zone: ZoneInfo, now: datetime) -> "Words":
        """Give the words of a language by its code."""
        return cls(language_of(code), zone, now)

    @property
    def today(self) -> date:
        """The day that it is at the clinic."""
        return self.now.astimezone(self.zone).date()

    def day(self, value: str | date | None) -> Markup:
        """Tell a day, as `2 March 2026`; of an instant the day it has at the clinic."""
        if value is None:
            return Markup("")
        return _day_told(self.language.code, self._date(value))

    def moment(self, value: str | datetime | None) -> Markup:
        """Tell an instant by the clinic's clock."""
        if value is None:
            return Markup("")
        at = _instant(value).astimezone(self.zone)
        text = f"{self.language.day(at.date(), DatePrecision.day)}, {at:%H:%M}"
        return _time(at.isoformat(timespec="seconds"), text)

    def due(self, value: str | datetime | None) -> str:
        """Say how far off something is, or how long it is overdue, in days or hours."""
        if value is None:
            return self.text("no day set")
        left = _instant(value) - self.now
        if left < timedelta():
            late = -left
            if late < _A_DAY:
                hours = max(1, late // _AN_HOUR)
                return self.several("overdue by %(n)s hour", "overdue by %(n)s hours", hours)
            return self.several("overdue by %(n)s day", "overdue by %(n)s days", late // _A_DAY)
        if left < _A_DAY:
            hours = max(1, left // _AN_HOUR)
            return self.several("due in %(n)s hour", "due in %(n)s hours", hours)
        return self.several("due in %(n)s day", "due in %(n)s days", left // _A_DAY)

    def is_past(self, value: str | datetime | None) -> bool:
        """Tell whether an instant has passed."""
        return value is not None and _instant(value) < self.now

    def text(self, english: str, **places: object) -> str:
        """Give a text of a page."""
        return said(self.language, english) % places if places else said(self.language, english)

    def several(self, one: str, several: str, number: int) -> str:
        """Give a text that depends on a number."""
        return said_of(self.language, one, several, number) % {"n": number}

    def word(self, word: str | None) -> str:
        """Give the name of a word of the vocabulary, as pages write it."""
        return self.text(plain(word)) if word else ""

    def meaning(self, words: str, word: str | None) -> str:
        """Give what a word of the vocabulary means; nothing of one that is not known."""
        if word is None or words not in VOCABULARY or word not in {*VOCABULARY[words]}:
            return ""
        return self.language.word(words, word)

    def told(self, english: str) -> Markup:
        """Give what the API says of a refusal, as below."""
        return told(self.language, english)

    def label(self, key: str) -> str:
        """Give what a field is called; `kind.name`, where it is one of an incident's details."""
        rule = key.removeprefix(_OF_RULES)
        if rule in _ASKING:
            return self.title(rule)
        within, _, code = key.rpartition(".")
        named = self.text(label_of(key))
        return f"{named} ({self.tongue(code)})" if within and code in LANGUAGES else named

    def tongue(self, code: str) -> str:
        """Name a language; one that has no name here by its code."""
        return self.text(LANGUAGES[code]) if code in LANGUAGES else code

    def kind(self, kind: str) -> str:
        """Name a kind of incident, or of record."""
        return _upper(self.word(kind))

    def letters(self, kind: str) -> str:
        """Give two letters for a kind: of its first two words, but for small ones, or of one."""
        named = self.word(kind)
        first, *others = [each for each in named.split() if len(each) > _SMALL] or [named]
        return _upper((first[0] + others[0][0] if others else first[:2]).lower())

    def help(self, field: Field) -> str:
        """Give what helps to fill a field in."""
        told = help_of(field.key, field.help)
        if told.rstrip(".") == label_of(field.key):
            return ""
        return self.text(told) if told else ""

    def option(self, words: str, word: str) -> str:
        """Name a word that is chosen, with what it means."""
        if words == LANGUAGE:
            return self.tongue(word)
        meaning = self.meaning(words, word)
        # what is written with a colon is a name that programs compare, and stays
        named = word if ":" in word else self.word(word)
        return f"{named}: {meaning}" if meaning else named

    def words_of(self, words: str) -> list[str]:
        """Give the words of a list of the vocabulary."""
        return [str(each) for each in VOCABULARY[words]]

    def record(self, row: Mapping[str, Any]) -> str:
        """Name a record in a line: what it is, and its day."""
        kind = row["details"]["kind"] if "details" in row else row.get("kind", "")
        day = row.get("occurred_on") or row.get("made_on") or row.get("created_at")
        return f"{self.kind(kind)}, {self.day(day).striptags()}"

    def month(self, day: date) -> str:
        """Tell a month."""
        return self.language.day(day, DatePrecision.month)

    def short(self, day: date | str) -> str:
        """Tell a month shortly, as at the top of a picture; of a week its first day."""
        at = date.fromisoformat(f"{day}-01") if isinstance(day, str) else day
        return self.language.short(at, DatePrecision.month if at.day == 1 else DatePrecision.day)

    def title_or_label(self, kind: str) -> str:
        """Name what a mark is: a rule by its title, anything else by its word."""
        return self.title(kind) if kind in _ASKING else self.kind(kind)

    def first_sentence(self, described: str) -> str:
        """Give the first sentence of what a kind says of itself."""
        return self.text(first_sentence(described))

    def happening(self, happening: str) -> str:
        """Say what an entry of the journal tells."""
        return self.text(plain(happening))

    def purpose(self, purpose: str) -> str:
        """Say what the journal says something was for, or why it was refused."""
        refused = every_refusal().get(purpose)
        return self.word(purpose) if refused is None else self.text(refused.title)

    @staticmethod
    def query(asked: Mapping[str, str]) -> str:
        """Write what was chosen as the end of an address, without how far was read."""
        kept = {name: value for name, value in asked.items() if name != "cursor"}
        return f"?{urlencode(kept)}" if kept else ""

    @staticmethod
    def stands(record: Mapping[str, Any], where: Mapping[str, tuple[str, ...]]) -> bool:
        """Tell whether a record is in a state in which something may be done with it."""
        return all((record.get(name) or "") in words for name, words in where.items())

    def asks(self, rule: str) -> str | None:
        """Give what a rule or prompt asks about; None for a flag that was raised by hand."""
        try:
            return self.language.text(asks_id(rule))
        except KeyError:
            return None

    def title(self, rule: str) -> str:
        """Give the title of a rule or prompt."""
        return title_of(rule, self.language)

    def _date(self, value: str | date) -> date:
        if isinstance(value, str):
            return date.fromisoformat(value) if len(value) == _DAY else self._of_instant(value)
        return self._of_instant(value) if isinstance(value, datetime) else value

    def _of_instant(self, value: str | datetime) -> date:
        return _instant(value).astimezone(self.zone).date()


_OF_RULES = f"{RULE}."
_ASKING = frozenset({*VOCABULARY["rule"].__members__, *VOCABULARY["prompt"].__members__})
"""Rules and prompts, which are called by their titles."""
_SMALL = 3
"""Letters of a word that says nothing by itself."""
_DAY = len("2026-03-02")


def plain(word: str) -> str:
    """Write a word of the code as people do; of an event, what it is about and what happened."""
    return word.replace("_", " ").replace(".", ": ")


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def first_sentence(described: str) -> str:
    """Give the first sentence of a description; the rest of it is for programs."""
    return described.partition(". ")[0].partition("\n")[0].rstrip(".") + "."


def said(language: Spoken, english: str) -> str:
    """Give a text of a page in a language; in English where the language has it not yet."""
    try:
        return language.text(page_id(english))
    except KeyError:
        return english


def said_of(language: Spoken, one: str, several: str, number: int) -> str:
    """Give a text of a page that depends on a number, as above."""
    try:
        return language.text(page_id(one), number)
    except KeyError:
        return one if number == 1 else several


def told(language: Spoken, english: str) -> Markup:
    """Give what the API says of a refusal: in a language where a page has it, else in English."""
    if language.code == IN_ENGLISH or page_id(english) in messages():
        return escape(said(language, english))
    return Markup('<span lang="en">{}</span>').format(english)


def _instant(value: str | datetime) -> datetime:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@lru_cache(maxsize=4_096)
def _day_told(code: str, day: date) -> Markup:
    """Tell a day in a language: a page tells few days many times."""
    return _time(day.isoformat(), language_of(code).day(day, DatePrecision.day))


def _time(of: str, text: str) -> Markup:
    return Markup(f'<time datetime="{of}">{escape(text)}</time>')  # noqa: S704 - both are ours
