"""`look_back`: the questionnaire that every clinic has, by which a client looks back on a therapy.

Three parts: how it is between the two, what they work on, whether one is safe. Seven of its items
ask what somebody did; each of those has answers that a therapy as it should be can give, and none
asks whether anybody was right. Why each is asked stands in docs/decisions.
"""

from functools import cache
from typing import Any
from uuid import UUID

from api.domain.questionnaires import QuestionnaireBody

LOOK_BACK_ID = UUID("6c6f6f6b-0000-7000-8000-6261636b0001")
"""By which it is known, in every clinic the same."""


@cache
def look_back(number: int | None = None) -> QuestionnaireBody:
    """Give a version of it, by default the newest. Raises KeyError for one there never was."""
    return QuestionnaireBody.model_validate(_VERSIONS[NEWEST if number is None else number])


def _felt(link_id: str) -> dict[str, Any]:
    return {"link_id": link_id, "type": "scale", "reads_as": "experience"}


def _words(link_id: str) -> dict[str, Any]:
    return {"link_id": link_id, "type": "words", "reads_as": "experience"}


def _done(link_id: str, topic: str, choices: str, concern: str) -> dict[str, Any]:
    return {
        "link_id": link_id,
        "type": "choice",
        "reads_as": "frame",
        "topic": topic,
        "choices": choices.split(),
        "concern": concern.split(),
    }


_PARTS = [
    {
        "link_id": "between_us",
        "items": [
            _felt("listened_to"),
            _felt("hard_things"),
            _felt("put_right"),
            _done(
                "feelings",
                "feelings_met",
                "not_spoken_of talked_over hard_but_all_right something_else held_against_me "
                "met_with_the_same",
                "held_against_me met_with_the_same",
            ),
            _done(
                "outside",
                "contact",
                "none as_agreed by_chance something_else private_not_talked_over",
                "private_not_talked_over",
            ),
            _done(
                "other_ways",
                "roles",
                "no known_and_talked_over by_chance something_else friends_work_or_business",
                "friends_work_or_business",
            ),
        ],
    },
    {
        "link_id": "our_work",
        "items": [
            _felt("what_for"),
            _felt("makes_sense"),
            _felt("helps"),
            _done(
                "what_was_agreed",
                "change",
                "nothing_changed talked_over_before told_in_good_time something_else "
                "told_afterwards",
                "told_afterwards",
            ),
            _done(
                "money_and_gifts",
                "money_gifts",
                "nothing small_things talked_over something_else things_of_value asked_of_me",
                "things_of_value asked_of_me",
            ),
            _words("what_helps_or_is_missing"),
        ],
    },
    {
        "link_id": "safe_here",
        "items": [
            _felt("at_ease"),
            _felt("may_say_no"),
            _felt("whom_else_to_ask"),
            _done(
                "touch",
                "touch",
                "none greeting agreed_and_i_can_say_no something_else not_asked",
                "not_asked",
            ),
            _done(
                "recording",
                "recording",
                "none asked_and_yes asked_and_no do_not_know something_else learned_afterwards",
                "learned_afterwards",
            ),
            _words("anything_else"),
        ],
    },
]

_AGREEMENT = {"low": "not at all", "high": "very much"}
_ENGLISH = {
    "title": "Looking back",
    "parts": {
        "between_us": "How it is between us",
        "our_work": "What we work on",
        "safe_here": "Am I safe here",
    },
    "items": {
        "listened_to": {"asks": "My therapist listens to me.", **_AGREEMENT},
        "hard_things": {
            "asks": "I can say hard things here, about the therapy too.",
            **_AGREEMENT,
        },
        "put_right": {
            "asks": "When something goes wrong between us, we talk about it and go on.",
            **_AGREEMENT,
        },
        "feelings": {
            "asks": "When I spoke of what I feel about my therapist:",
            "choices": {
                "not_spoken_of": "I have not spoken of it.",
                "talked_over": "We talked about it.",
                "hard_but_all_right": "It was hard, and it was all right.",
                "something_else": "It was something else.",
                "held_against_me": "It was held against me later.",
                "met_with_the_same": "My therapist said that they feel the same for me.",
            },
        },
        "outside": {
            "asks": "Between our sessions:",
            "choices": {
                "none": "We have no contact.",
                "as_agreed": "We write or call as we agreed to.",
                "by_chance": "We have met by chance.",
                "something_else": "It is something else.",
                "private_not_talked_over": (
                    "We meet or write in private, and never talked about what that is for."
                ),
            },
        },
        "other_ways": {
            "asks": "My therapist and I know each other in another way, too:",
            "choices": {
                "no": "No.",
                "known_and_talked_over": "Yes, and we talked about what that means for us.",
                "by_chance": "A little, as people do who live near each other.",
                "something_else": "It is something else.",
                "friends_work_or_business": "We are friends, work together or do business.",
            },
        },
        "what_for": {"asks": "I know what we work on.", **_AGREEMENT},
        "makes_sense": {"asks": "What we do in the sessions makes sense to me.", **_AGREEMENT},
        "helps": {"asks": "It helps me in the rest of my life.", **_AGREEMENT},
        "what_was_agreed": {
            "asks": "When something was changed that we had agreed on (a time, the fee, how to "
            "reach each other):",
            "choices": {
                "nothing_changed": "Nothing was changed.",
                "talked_over_before": "We talked about it before.",
                "told_in_good_time": "I was told in good time.",
                "something_else": "It was something else.",
                "told_afterwards": "I learned of it when it was done already.",
            },
        },
        "money_and_gifts": {
            "asks": "Beside the fee, has money, a gift or a favour gone from one of us to the "
            "other?",
            "choices": {
                "nothing": "No.",
                "small_things": "Something small, such as a card.",
                "talked_over": "Yes, and we talked about what it means.",
                "something_else": "It was something else.",
                "things_of_value": "Something that is worth a lot.",
                "asked_of_me": "My therapist asked me for something.",
            },
        },
        "what_helps_or_is_missing": {"asks": "What helps, or is missing?"},
        "at_ease": {"asks": "I am at ease when I go to a session.", **_AGREEMENT},
        "may_say_no": {"asks": "I can say no here, and that is all right.", **_AGREEMENT},
        "whom_else_to_ask": {
            "asks": "I know whom else I could ask if I wanted another opinion.",
            **_AGREEMENT,
        },
        "touch": {
            "asks": "Touch, such as a hand or a hug:",
            "choices": {
                "none": "There is none.",
                "greeting": "We shake hands, or what one does to say hello.",
                "agreed_and_i_can_say_no": "We agreed on it, and I can say no.",
                "something_else": "It is something else.",
                "not_asked": "It happens, and I was not asked.",
            },
        },
        "recording": {
            "asks": "Are sessions recorded, or does software listen to them?",
            "choices": {
                "none": "No.",
                "asked_and_yes": "I was asked, and said yes.",
                "asked_and_no": "I was asked, said no, and it was left.",
                "do_not_know": "I do not know.",
                "something_else": "It is something else.",
                "learned_afterwards": "Yes, and I learned of it afterwards.",
            },
        },
        "anything_else": {"asks": "Is there anything else?"},
    },
}

_ACUERDO = {"low": "nada", "high": "mucho"}
_SPANISH = {
    "title": "Una mirada atrás",
    "parts": {
        "between_us": "Cómo nos va",
        "our_work": "En qué trabajamos",
        "safe_here": "Si aquí hay seguridad para mí",
    },
    "items": {
        "listened_to": {"asks": "Mi terapeuta me escucha.", **_ACUERDO},
        "hard_things": {
            "asks": "Aquí puedo decir cosas difíciles, también sobre la terapia.",
            **_ACUERDO,
        },
        "put_right": {
            "asks": "Cuando algo va mal entre nosotros, lo hablamos y seguimos.",
            **_ACUERDO,
        },
        "feelings": {
            "asks": "Cuando hablé de lo que siento por mi terapeuta:",
            "choices": {
                "not_spoken_of": "No he hablado de ello.",
                "talked_over": "Hablamos de ello.",
                "hard_but_all_right": "Fue difícil, y estuvo bien.",
                "something_else": "Fue otra cosa.",
                "held_against_me": "Más tarde se usó en mi contra.",
                "met_with_the_same": "Mi terapeuta dijo que siente lo mismo por mí.",
            },
        },
        "outside": {
            "asks": "Entre las sesiones:",
            "choices": {
                "none": "No tenemos contacto.",
                "as_agreed": "Nos escribimos o llamamos como lo acordamos.",
                "by_chance": "Nos hemos encontrado por casualidad.",
                "something_else": "Es otra cosa.",
                "private_not_talked_over": (
                    "Nos vemos o escribimos en privado, y nunca hablamos de para qué es."
                ),
            },
        },
        "other_ways": {
            "asks": "Mi terapeuta y yo nos conocemos también de otra manera:",
            "choices": {
                "no": "No.",
                "known_and_talked_over": "Sí, y hablamos de lo que eso significa.",
                "by_chance": "Un poco, como quienes viven cerca.",
                "something_else": "Es otra cosa.",
                "friends_work_or_business": "Tenemos amistad, trabajo o negocios en común.",
            },
        },
        "what_for": {"asks": "Sé en qué trabajamos.", **_ACUERDO},
        "makes_sense": {
            "asks": "Lo que hacemos en las sesiones tiene sentido para mí.",
            **_ACUERDO,
        },
        "helps": {"asks": "Me ayuda en el resto de mi vida.", **_ACUERDO},
        "what_was_agreed": {
            "asks": "Cuando se cambió algo que habíamos acordado (una hora, el precio, cómo "
            "contactarnos):",
            "choices": {
                "nothing_changed": "No se cambió nada.",
                "talked_over_before": "Lo hablamos antes.",
                "told_in_good_time": "Me lo dijeron con tiempo.",
                "something_else": "Fue otra cosa.",
                "told_afterwards": "Lo supe cuando ya estaba hecho.",
            },
        },
        "money_and_gifts": {
            "asks": "Aparte del precio, ¿hubo dinero, un regalo o un favor entre nosotros?",
            "choices": {
                "nothing": "No.",
                "small_things": "Algo pequeño, como una tarjeta.",
                "talked_over": "Sí, y hablamos de lo que significa.",
                "something_else": "Fue otra cosa.",
                "things_of_value": "Algo que vale mucho.",
                "asked_of_me": "Mi terapeuta me pidió algo.",
            },
        },
        "what_helps_or_is_missing": {"asks": "¿Qué ayuda, o qué falta?"},
        "at_ease": {"asks": "Voy con tranquilidad a las sesiones.", **_ACUERDO},
        "may_say_no": {"asks": "Aquí puedo decir que no, y está bien.", **_ACUERDO},
        "whom_else_to_ask": {
            "asks": "Sé a quién más preguntar si quisiera otra opinión.",
            **_ACUERDO,
        },
        "touch": {
            "asks": "El contacto físico, como una mano o un abrazo:",
            "choices": {
                "none": "No lo hay.",
                "greeting": "Nos damos la mano, o lo que se hace para saludar.",
                "agreed_and_i_can_say_no": "Lo acordamos, y puedo decir que no.",
                "something_else": "Es otra cosa.",
                "not_asked": "Lo hay, y no me preguntaron.",
            },
        },
        "recording": {
            "asks": "¿Se graban las sesiones, o las escucha un programa?",
            "choices": {
                "none": "No.",
                "asked_and_yes": "Me preguntaron, y dije que sí.",
                "asked_and_no": "Me preguntaron, dije que no, y no se hizo.",
                "do_not_know": "No lo sé.",
                "something_else": "Es otra cosa.",
                "learned_afterwards": "Sí, y lo supe después.",
            },
        },
        "anything_else": {"asks": "¿Hay algo más?"},
    },
}


def _said(texts: dict[str, Any]) -> dict[str, Any]:
    """Write texts as a questionnaire has them."""
    parts = [{"link_id": name, "title": title} for name, title in texts["parts"].items()]
    items = []
    for name, item in texts["items"].items():
        choices = [{"choice": each, "says": says} for each, says in item.get("choices", {}).items()]
        items.append({**item, "link_id": name, "choices": choices})
    return {"title": texts["title"], "parts": parts, "items": items}


_VERSIONS: dict[int, dict[str, Any]] = {
    1: {
        "title": "Looking back",
        "for": "client",
        "parts": _PARTS,
        "texts": {"en": _said(_ENGLISH), "es": _said(_SPANISH)},
    }
}
NEWEST = max(_VERSIONS)
"""The version that is asked now; those before stay, for what was answered then."""
