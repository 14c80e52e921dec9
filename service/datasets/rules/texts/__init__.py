"""What the words of a dataset give away: secrets, personal data, special tokens, likenesses, refusals, languages.

Pure. `facts_of` looks at one string; the rest gather over a segment's examples (`add`) and over the segments of a file
(`join`): what they say then is the same wherever the file was cut. `CODES` of each module names its rules: severity
and message. All of them are warnings: a corpus for finding leaked keys holds keys, and there is no way to insist.
"""
