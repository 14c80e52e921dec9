"""Whether an answer refuses to answer, in the words that models use."""

import re
from typing import Final

_HEAD_CHARS: Final = 160  # a refusal comes first; later on "I cannot" is mostly about something else
_DO: Final = (
    r"(?:answer|help|assist|provide|comply|fulfill?|discuss|respond|share|do (?:that|this)|engage|support|offer"
    r"|generate|create|write|give|continue|participate|recommend)"
)
# OURS. Openings of refusals in the ten languages fine-tuning data is mostly written in.
_REFUSAL: Final = re.compile(
    rf"\b(?:i|we)(?: am|'m| are|'re)? (?:can(?:no|')t|can not|unable to|not able to|won't|will not)(?: \w+)? {_DO}\b"
    r"|\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b"
    r"|\b(?:sorry|apologi[sz]e|afraid),? (?:but )?(?:i|we) (?:can(?:no|')t|can not|don't|won't|am not|'m not|am unable)"
    r"|\bno (?:puedo|podemos) (?:responder|ayudar|proporcionar|contestar|ofrecer|cumplir)"
    r"|\bcomo (?:una? )?(?:ia|inteligencia artificial|modelo de lenguaje|modelo de linguagem)\b"
    r"|\bje ne (?:peux|suis) pas (?:en mesure d|répondre|(?:vous |t')?aider|fournir)"
    r"|\ben tant qu(?:'ia|e modèle|'intelligence)"
    r"|\b(?:kann ich|ich kann) .{0,60}nicht (?:beantworten|(?:weiter)?helfen|bereitstellen)"
    r"|\bn[ãa]o (?:posso|consigo) (?:responder|ajudar|fornecer|oferecer)"
    r"|\bnon posso (?:rispondere|aiutar|fornire)"
    r"|\bik kan .{0,60}niet (?:helpen|beantwoorden)"
    r"|我(?:无法|無法|不能)(?:回答|提供|帮助|幫助|协助|協助|满足)|抱歉.{0,8}(?:无法|無法|不能)|作为(?:一个)?(?:ai|人工智能)"
    r"|お答えできません|お手伝いできません|提供できません"
    r"|(?:답변|도와)[ 가-힣]{0,8}수 없"
    r"|я не могу (?:ответить|помочь|предоставить|выполнить)"
)
# A word of each: most answers have none, and are done.
_HINTS: Final = (
    "can't", "cannot", "can not", "unable", "not able", "won't", "will not", "n ai", "as a ai", "artificial",
    "language model", "sorry", "apolog", "afraid", "puedo", "podemos", "como ", "je ne", "en tant", "nicht", "posso",
    "consigo", "niet", "我", "抱歉", "作为", "できません", "없", "не могу",
)  # fmt: skip


def is_refusal(text: str) -> bool:
    """Whether the text begins like a refusal."""
    head = text[:_HEAD_CHARS].lower().replace("\u2019", "'")
    return any(hint in head for hint in _HINTS) and _REFUSAL.search(head) is not None
