"""The words by which intents are recognised. Order matters: the first match wins."""

import re
from typing import Final

from chairside.chatbot.understanding.acts import Intent, Shift

_RELATIVE: Final = (
    r"(?:wife|husband|son|daughter|mother|father|mom|mum|dad|kid|kids|child|children|partner|friend"
    r"|brother|sister|boss|neighbou?r|colleague|girlfriend|boyfriend|grand(?:mother|father|ma|pa))"
)
_DATA: Final = (
    r"(?:appointments?|bookings?|data|phone(?: number)?|(?:tele)?phone|number|address|e-?mail|records?"
    r"|notes?|details|file|diagnosis|calendar|password|token|visits?|reservations?)"
)

OTHER_PEOPLE: Final = re.compile(
    r"\b(?:everyone|everybody|someone|somebody|anyone|anybody)(?:'s| else)\b"
    r"|\b(?:other|another|all(?: the)?|every|which|how many|list (?:of )?(?:the )?|next) patients?(?:'s?)?\b"
    rf"|\bfor my {_RELATIVE}\b|\bmy {_RELATIVE}(?:'s?| needs| has| wants| would)\b"
    rf"|\b{_DATA} (?:of|belonging to) (?!me\b|mine\b|my\b|the day|a\b|the (?:clinic|practice|\d)|¤|today|tomorrow|\d|(?:mon|tues|wednes|thurs|fri|satur|sun)day|next|this|last)\w"
    rf"|\b(?!it|let|that|what|who|there|he|she|here|today|tomorrow|when|where|how|day|week|month|o)[a-z]{{2,60}}'s"
    rf" (?:next |last |upcoming )?{_DATA}\b"
    r"|\bpatient (?:id|number|no\.?|#)? ?(?:\d{1,20}|[0-9a-f]{8}-)|\bon behalf of\b|\bimpersonat\w{1,20}"
    r"|\bwho (?:else )?(?:has|have|is coming|comes|booked|sees|is booked|had|visited|took)\b"
    r"|\b(?:i am|i'm|as|act as|you are(?: now)?) (?:the |an? )?(?:admin\w{0,20}|dentist|doctor|system|root|developer)\b"
    rf"|\b(?:his|her|their|your) {_DATA}\b|\b(?:book|cancel|move|make|schedule) (?:him|her|them) "
)

RULES: Final = {
    Intent.DENTISTS: re.compile(
        r"\b(?:which|what|who(?: are)?|list|show(?: me)?|tell me|name|how many|do you have|any other)\b"
        r"(?! (?:time|day|slot)).{0,30}\b(?:dentists|doctors|doc(?:tor)?s? (?:are|is|works?))\b"
        r"|\bwho (?:works|is working|are you guys|can i see|do you have)\b|\byour (?:dentists|doctors|team)\b"
        r"|^(?:the )?(?:dentists|doctors)\??$"
    ),
    Intent.TREATMENTS: re.compile(
        r"\b(?:what|which|list|show).{0,20}\b(?:treatments?|services|(?:appointment )?(?:types|kinds)"
        r"|procedures)\b|\bwhat (?:do|can) (?:you|i) (?:offer|book|do here)\b|\bwhat kinds? of\b"
        r"|\bhow long (?:does|is|will|do|are)\b|^(?:treatments|services|types)\??$|\bdo you (?:do|offer)\b"
    ),
    Intent.MOVE: re.compile(
        r"\b(?:mov(?:e|ing)|re-?schedul(?:e|ing)|postpon(?:e|ing)|shift(?:ing)?|delay|push|put off|bring forward"
        r"|swap|switch|bring .{0,20}forward|put .{0,20}off|reschedual)\b"
        r"|\b(?:change|changing|alter) (?:the (?:date|time|day)|it|that|my|the|this|one)\b"
        r"|\bbe (?:moved|rescheduled|postponed)\b|\b(?:change|changing|exchange) {1,4}¤"
        r"|\b(?:different|another|other|new|earlier|later|better) (?:time|date|day|slot)s? for (?:my|the|it|that)\b"
        r"|\bcan't make .{0,60}\b(?:instead|rather|move|another|other|can (?:i|we)|could (?:i|we)|(?:how|what) about)\b"
        r"|\bcome (?:another day|earlier|later|some other time) instead\b"
    ),
    Intent.CANCEL: re.compile(
        r"\b(?:cancel(?:ing|ling|led|lation)?|cancle|call(?:ing)? off|delete|unbook|remove|get rid of"
        r"|(?:can't|cannot|can not|(?:won't|will not|not) be able to|won't|will not|am not able to|unable to)"
        r" (?:make|come|attend|keep)|(?:drop|scrap|ditch) (?:my|the|it)|withdraw"
        r"|(?:i'm|i am|we're|we are) not (?:coming|going to (?:make|come|attend))|(?:can't|cannot|can not|won't|will not) be (?:there|coming)"
        r"|(?:don't|do not|no longer) (?:need|want) (?:it|my|the|that|to come))\b"
    ),
    Intent.MINE: re.compile(
        r"\b(?:my|any|list|show|see|view|upcoming|next|our)\b.{0,25}\b(?:appointments|bookings|visits)\b"
        r"|\bwhen(?:'s| is| was| do i).{0,30}\b(?:appointment|booking|visit|come in|due|see)\b"
        r"|\b(?:what|which) (?:appointments|bookings|visits)\b|\bwhat (?:do i have|have i got|have i booked|did i book|am i booked)\b|\bdo i have (?:an|any\w{0,20})\b"
        r"|\b(?:am i|have i been) (?:booked|down for)\b|\b(?:show|see|check|view|list) my (?:next |upcoming )?"
        r"(?:appointment|booking|visit|calendar|schedule)|^my (?:next )?(?:appointment|booking)s?\??$"
    ),
    Intent.BOOK: re.compile(
        r"\b(?:book(?:ing)?|another (?:one|appointment|visit)|one more|schedule|reserve|arrange|appoint?ments?|apointment|appt|set up|sign me up|squeeze me in"
        r"|fit me in|slots?|openings?|availab(?:le|ility)|vacanc(?:y|ies)"
        r"|(?:is|are|when is|when are|anything|something|anyone|who is|who's|you) .{0,25}\bfree|free (?:time|slot|on)"
        r"|(?:see|visit|need|want) (?:a|the|my|to see|to visit|an) .{0,20}(?:dentist|doctor)"
        r"|come (?:in|by|over)|get in|have anything|have something|have time|dentist|see dr\.?|see doctor)\b"
    ),
}

_POLITE: Final = (
    r"please|pls|thanks?|thank you|that|it|is|'s|the|one|then|for me|now|just|really|so|much|i|with"
    r"|you|and|a|lot|very|indeed|sounds?|looks?|works?"
)


def _only(words: str) -> re.Pattern[str]:
    """Messages that consist of these words, at least one, and of polite ones.

    The longest word counts, and nothing is tried twice, so matching takes linear time.
    """
    longest_first = "|".join(map(re.escape, sorted(words.split("|"), key=len, reverse=True)))
    word, polite = rf"\W{{0,20}}(?:{longest_first})(?!\w)", rf"\W{{0,20}}(?:{_POLITE})(?!\w)"
    return re.compile(rf"(?>(?!{word}){polite})*+(?>{word})(?>{word}|{polite})*+\W{{0,20}}$")


YES: Final = _only(
    r"yes|yeah|yep|yup|yea|ya|sure|ok|okay|okey|k|go ahead|do it|do that|please do|go for it|confirm|confirmed"
    r"|perfect|great|fine|good|correct|right|absolutely|definitely|of course|certainly|lovely|excellent"
    r"|agreed|i do|take it|i'll take|i will take|i take|that works|works for me|y|by all means|alright"
    r"|all right|let's do|wonderful|awesome|cool|deal|indeed|affirmative|proceed|sounds good|looks good"
)
YES_VERB: Final = re.compile(
    r"^\W{0,20}(?:(?:yes|yeah|yep|sure|ok|okay|please|go ahead|do)\W{1,20}(?:and )?){0,5}(?:please )?"
    r"(?P<verb>book|reserve|confirm|cancel|move|reschedule|change)"
    r"(?: (?:it|that|this|that one|this one|the appointment|me in))?(?:\W{1,20}(?:please|now|then|thanks|thank you)){0,5}\W{0,20}$"
)
VERBS: Final = {
    "book": Intent.BOOK,
    "reserve": Intent.BOOK,
    "confirm": None,
    "cancel": Intent.CANCEL,
    "move": Intent.MOVE,
    "reschedule": Intent.MOVE,
    "change": Intent.MOVE,
}
NO: Final = _only(
    r"no|nope|nah|no way|not|negative|don't|do not|don't do|better not|rather not|i'd rather not|n|not really"
    r"|not now|keep|not this|wrong|not ok|not okay|no good|bad"
)
STOP: Final = re.compile(
    r"\b(?:never ?mind|forget (?:it|about it|that)|stop(?! by)|abort|start (?:over|again|from scratch)|reset"
    r"|leave it(?: (?:as it is|be))?|drop it|changed my mind|let it be|scrap that|restart)\b"
)
SHORT: Final = {
    Intent.HELLO: re.compile(
        r"^\W{0,20}(?:hi|hello|hey|hiya|good (?:morning|afternoon|evening|day)|greetings|howdy|yo)\b[\w ]{0,15}\W{0,20}$"
    ),
    Intent.BYE: re.compile(
        r"^\W{0,20}(?:bye|good ?bye|see you|see ya|cya|exit|quit|ciao|that's all|that is all)\b.{0,20}$"
    ),
    Intent.HELP: re.compile(
        r"^\W{0,20}(?:help|\?{1,20}|options|commands|menu|info)\W{0,20}$|\bwhat can (?:you|i) (?:do|say|ask)\b|\bhow (?:does|do) (?:this|you|i)\b"
        r"|\bhelp me\b(?! (?:book|find|cancel|move|with (?:a|my)))|\bwhat are you\b|\bwho are you\b|\bare you (?:a )?(?:human|bot|robot|real)\b"
    ),
}
"""Messages that are nothing else."""
ASIDE: Final = {
    Intent.THANKS: re.compile(r"\b(?:thanks?|thank you|thx|cheers|much appreciated|ty)\b"),
    Intent.HELLO: SHORT[Intent.HELLO],
    Intent.HELP: SHORT[Intent.HELP],
}

SHIFTS: Final = {
    Shift.OTHER_DAY: re.compile(
        r"\b(?:an?other|different|other|some other) (?:days?|dates?)\b|\bnot that day\b"
    ),
    Shift.MORE: re.compile(
        r"\b(?:none of (?:these|those|them|the above)|neither(?= ?(?:$|[,.!?]|of|one|thanks|please|works|is|suits))|something else|anything else|any others?|(?<!every )others?\b"
        r"|(?:an?other|different|other|more|further|some more|any other) (?:times?|options?|slots?|ones?|choices?)"
        r"|show (?:me )?more|^more\b|what else)"
    ),
}
DIRECTIONS: Final = {
    Shift.LATER: re.compile(
        r"\b(?:later|afterwards)(?: (?:in|on) (?:the|that) day| that day| on)?\b"
    ),
    Shift.EARLIER: re.compile(
        r"\b(?:earlier|sooner|before that)(?: (?:in|on) (?:the|that) day| that day)?\b"
    ),
}
EXTREMES: Final = {
    Shift.LATER: re.compile(
        r"\b(?:the )?(?:later|latest)(?: of (?:the|those|these))?(?: (?:one|slot|option|two))\b|\bthe (?:later|latest)\b|\blatest\b|\bas late as possible\b"
    ),
    Shift.EARLIER: re.compile(
        r"\b(?:the )?(?:earlier|earliest|soonest|sooner)(?: of (?:the|those|these))?(?: (?:one|slot|option|two))\b|\bthe (?:earlier|earliest|soonest)\b|\bearliest\b"
    ),
}

ORDINALS: Final = {
    "first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4,
    "fifth": 5, "5th": 5, "last": -1, "sixth": 6, "6th": 6, "former": 1, "latter": -1,
}  # fmt: skip
ORDINAL: Final = re.compile(
    rf"\b(?<!\ba )(?<!at )(?P<word>{'|'.join(ORDINALS)})\b(?! (?:week|month|time|visit|name|of all)| {{0,3}}¤)"
)
NUMBER: Final = re.compile(
    r"(?:\b(?:option|number|nr\.?|choice|slot|appointment|#)|#) ?(?P<a>\d{1,2})\b"
    r"|^[^\w¤]{0,20}(?:the |i'll take |i take |take )?(?P<b>\d{1,2})[^\w¤]{0,20}(?:please)?[^\w¤]{0,20}$"
)
BY: Final = re.compile(
    r"\b(?:by )?(?P<count>\d{1,2}|an?|half an|one|a couple of) (?P<unit>minute|hour|day|week|fortnight)s?"
    r" (?P<way>later|earlier|sooner|back|forward)\b"
    r"|\bby (?P<count3>\d{1,2}|an?|half an|one|a couple of) (?P<unit3>minute|hour|day|week|fortnight)s?\b"
    r"|\b(?P<way2>back|forward|later|earlier) (?:by )?(?P<count2>\d{1,2}|an?|half an) (?P<unit2>minute|hour|day|week|fortnight)s?\b"
)
USUAL: Final = re.compile(
    r"\b(?:my (?:usual|regular|normal|own|old)? ?(?:dentist|doctor)|(?:the )?(?:usual|same|regular)"
    r" (?:dentist|doctor|one as (?:always|last time)|person)|same as (?:last time|always|usual)"
    r"|the (?:dentist|doctor|person)(?: (?:who|whom|that))? i (?:always |usually |normally |last )?(?:see|saw|have|had)(?: last time| before)?|(?:who|whom|the one) i (?:always|usually|normally|last) (?:see|saw|have|had)|my usual)\b"
)
ANYONE: Final = re.compile(
    r"\b(?:any (?:dentist|doctor|one of them|of them)|anyone(?! (?:else|but))|anybody(?! (?:else|but))|whoever|whichever|either (?:dentist|doctor)|either(?: of them|(?= is)|(?=\W{0,3}$))(?: is fine)?"
    r"|no preference|(?:don't|do not) (?:mind|care)(?: who| which)?|doesn't matter(?: who| which)?|all the same"
    r"|no matter who|the first (?:dentist )?(?:that|who) (?:is|has))\b"
)
OTHER_DENTIST: Final = re.compile(
    r"\b(?:an?other|different|other|new) (?:dentist|doctor)s?\b|\b(?:not|(?:anyone|anybody) but) (?:him|her)\b"
)
EVERYTHING: Final = re.compile(r"\b(?:all|both|every(?:thing)?|each)\b(?: of)?(?: my| the| them)?")
URGENT: Final = re.compile(
    r"\b(?:emergenc|tooth ?ache|in pain|painful|pain\b|hurts?\b|hurting|swollen|bleeding|abscess|knocked out|broke|lost (?:a |my )?(?:filling|crown|tooth)|(?:fell|fallen|come|came) out|chipped)"
)
