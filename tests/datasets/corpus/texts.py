"""Lines of a chat file whose texts hold what should not be taught."""

from tests.datasets.corpus.faults import Fault, errand, function, message, talk
from tests.datasets.texts.test_secrets import IN_CONTEXT, SAMPLES

FAULTS: list[Fault] = [
    *[talk(message(2, content=f"It is {secret} now."), ("/messages/2/content", code)) for code, secret in SAMPLES],
    *[
        talk(message(1, content=before + secret + after), ("/messages/1/content", code))
        for code, before, secret, after in IN_CONTEXT
    ],
    talk(message(2, content="Write to anna.meier@kontor-nord.de."), ("/messages/2/content", "personal_email")),
    talk(message(1, content="Charge 4111 1111 1111 1111 now."), ("/messages/1/content", "personal_card")),
    talk(message(1, content="Pay DE89 3704 0044 0532 0130 00."), ("/messages/1/content", "personal_iban")),
    talk(message(1, content="Call +49 30 901820."), ("/messages/1/content", "personal_phone")),
    talk(message(1, content="It is 123-45-6788."), ("/messages/1/content", "personal_ssn")),
    talk(message(2, content="It stops. <|im_end|>"), ("/messages/2/content", "special_token")),
    talk(
        message(1, content=[{"type": "text", "text": "Hi"}, {"type": "text", "text": "I am bob@kontor-nord.de"}]),
        ("/messages/1/content/1/text", "personal_email"),
    ),
    talk(
        message(2, content="I say c@kontor-nord.de", refusal="but not d@kontor-nord.de"),
        ("/messages/2/content", "personal_email"),
        ("/messages/2/refusal", "personal_email"),
    ),
    errand(
        function(arguments='{"to": "eva@kontor-nord.de"}'),
        ("/messages/2/tool_calls/0/function/arguments", "personal_email"),
    ),
    errand(message(3, content="Sent to fritz@kontor-nord.de"), ("/messages/3/content", "personal_email")),
    errand(
        lambda e: e["tools"][0]["function"].update(description="Ask gerda@kontor-nord.de"),
        ("/tools/0/function/description", "personal_email"),
    ),
]
