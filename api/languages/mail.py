"""What e-mails say, in English: how much waits and of what sort, and never whose or about what."""

MAIL: dict[str, str | tuple[str, str]] = {
    "subject_waiting": "Boundary Notes: something waits for a look",
    "subject_critical": "Boundary Notes: something critical waits for a look",
    "subject_notice": "Boundary Notes: a notice for you",
    "waiting": (
        "On {day}, one thing waits for a look: {counts}.",
        "On {day}, {n} things wait for a look: {counts}.",
    ),
    "critical_came": "Something critical has come to wait.",
    # of how many things, by how grave they are
    "of_critical": ("{n} critical", "{n} critical"),
    "of_high": ("{n} high", "{n} high"),
    "of_moderate": ("{n} moderate", "{n} moderate"),
    "of_low": ("{n} low", "{n} low"),
    "of_info": ("{n} prompt", "{n} prompts"),
    "linked": "A supervision link with you was made, or holds again or for longer.",
    "password": (
        "An admin of your clinic chose a password for you, or made a code by which yours can be "
        "set, or it was set by that code."
    ),
    "password_advice": (
        "If you know nothing of it, look at who is signed in as you ({sessions}), end what is not "
        "yours, and tell your privacy officer."
    ),
    "consultation": "A consultation is asked of you.",
    "emergency": (
        "A case was opened in an emergency: one of yours, or one that waits for your review."
    ),
    "not_safe": "Something has come that is to be read at once.",
    "not_safe_unread": (
        "Something that was to be read at once has not been read by anybody for four hours."
    ),
    "link": "Sign in to read more: {link}",
    "why_so_short": (
        "An e-mail may be read on its way, so this one says no more. When you are written to is "
        "yours to choose: {me}"
    ),
}
"""Texts by name; two, for one and for several."""
