"""What a flag says, told in the language of who reads it."""

from collections.abc import Callable

from api.domain.permissions.table import Actor
from api.domain.rules.findings import because_of
from api.domain.values import Output
from api.languages.spoken import IN_ENGLISH, Spoken, language_of, title_of
from api.storage.models.flags import Flag


class FlagWords(Output):
    """What a flag says, in the language that its reader reads."""

    language: str
    title: str
    because: str


def told_to(me: Actor) -> Callable[[Flag], FlagWords | None]:
    """Say how flags are told to somebody; None for what they read in English."""
    code = me.reads_in()
    if code == IN_ENGLISH:
        return lambda _: None
    language = language_of(code)
    return lambda flag: _words(flag, language)


def _words(flag: Flag, language: Spoken) -> FlagWords | None:
    """Tell a flag; None where a person wrote it, or rules whose words are not known any more."""
    if flag.says is None:
        return None
    try:
        return FlagWords(
            language=language.code,
            title=title_of(flag.rule, language),
            because=because_of(flag.says, language),
        )
    except KeyError:
        return None
