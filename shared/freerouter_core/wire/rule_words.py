"""Words that the rows of `rules` have in common: whose limit it was, of what, for how long; keys,
debts, and what is not taken. Each is a regular expression, without regard to case."""

from __future__ import annotations

OF_MODEL = (
    r"PerModel|\b(?:for|on|to|of|per|each)[- ](?:this |the |that |each |every )?model\b"
    r"|\b(?:this|the) model(?:'s|\u2019s| has (?:a|its|reached))"
)
"""It was a limit of the model's."""
_PER_MINUTE = r"(?:per|/|a) ?min(?:ute)?\b"
REQUESTS_PER_MINUTE = rf"(?:requests?|calls?|queries)[-_ ]?(?:{_PER_MINUTE}|per[-_ ]?min)|\bRPM\b"
PER_DAY = (
    r"per[-_ ]?day|(?:/|\b(?:a|each|for the)) ?day\b|\b(?:for |of )today\b|today's (?:quota|limit)"
    r"|(?:per|every|/) ?24 ?h(?:ou)?rs?\b|\b[TR]PD\b"
)
OF_ACCOUNT = (
    r"\b(?:your|this) (?:account|plan|key|rate limit)\b|\borgani[sz]ation\b|\bproject\b"
    r"|\b(?:api|trial) key\b|\bper (?:user|ip|key)\b"
)
"""It was a limit of the account's."""

_BE = r"(?:has |have |was |is |been |provided |reported as )*"
_KEY = (
    r"\b(?:api[ _-]?key|(?:access|auth\w*|bearer|api)[ _-]token|(?:access|auth\w*)[ _-]"
    r"(?:key|credentials?))\b"
)
KEY_REFUSED = (
    rf"API_KEY_INVALID|invalid_api_key|invalid_authentication|\bUNAUTHENTICATED\b"
    rf"|{_KEY} (?:\w{{1,20}} )?{_BE}(?:not (?:valid|found|recogni[sz]ed|authori[sz]ed)"
    rf"|invalid|incorrect|wrong|missing|expired|revoked|disabled|deleted|leaked|suspended|blocked)"
    r"|(?:invalid|incorrect|wrong|unrecogni[sz]ed|unknown|expired|revoked|missing|no)"
    rf" (?:or \w{{1,20}} )?{_KEY}"
    rf"|\bplease (?:use|pass|provide|supply|set|check) (?:an? |your |the )?(?:valid )?{_KEY}"
    r"|\bauthentication (?:failed|error|required)|\bnot authenticated\b"
)
ACCOUNT_CLOSED = (
    r"(?:\"|\byour |\bthis )(?:account|organi[sz]ation|project|workspace)\b[^.\"]{0,60}?"
    r" (?:is |has |was |been )+"
    r"(?:suspended|disabled|deactivated|restricted|blocked|banned|terminated|denied access"
    r"|not active)"
    r"|account_(?:deactivated|suspended|disabled)|organization_restricted|SERVICE_DISABLED"
    r"|CONSUMER_(?:SUSPENDED|INVALID)|\bconsumer\b.{0,80} has been suspended"
    r"|API_KEY_\w{1,30}_BLOCKED|\bAPI has not been used in project"
)

UPSTREAM = r"provider returned error|\"provider_name\": \"|\bupstream error\b|limited upstream"
"""What a gateway says if it was an upstream of its own that refused."""
_MONEY = r"(?:balance|credits?|funds)"
NO_CREDIT = (
    rf"(?:insufficient|not[ _]enough)[ _](?:account |user )?{_MONEY}|out of credits"
    rf"|no (?:more )?credits|(?:not|n't|no) (?:have )?(?:any|enough|sufficient) {_MONEY}"
    rf"|\b{_MONEY}\b.{{0,20}} (?:too low|insufficient|exhausted"
    r"|not (?:enough|sufficient)|used up|depleted)"
    r"|\bquota\b.{0,20} (?:not (?:enough|sufficient)|insufficient)"
    r"|insufficient_user_quota|额度不足|额度已用尽"
    r"|billing_not_active|(?:check|verify|contact) your billing"
    r"|please (?:recharge|top[- ]?up)|top up your|in arrears|\barrearage\b|overdue|余额不足|欠费"
    r"|\binsufficient_quota\b|payment (?:required|method)|billing (?:hard )?limit"
)
"""What may be spent is spent."""
THROTTLED = r"\bthrottl(?:ed|ing)"
"""Requests came too fast, whatever else is said of a quota: Alibaba, AWS."""
OVERLOADED = (
    r"overloaded|no capacity|CAPACITY_EXHAUSTED|\bcapacity\b.{0,30}(?:exceeded|reached|exhausted)"
    r"|\bat (?:maximum |full )?capacity|high (?:demand|traffic|load)|访问量过大|负载已饱和"
)
"""There are too many requests, of everybody's."""
CROWDED = (
    r"concurren|simultaneous|in[ -]parallel|parallel requests?|in_flight|already queued"
    r"|queue (?:is )?full|并发"
)
"""Too many requests of this account were under way at once."""
AGAIN_LATER = r"\bwait\b|try again|retry|throttl"
"""What is passing."""

NOT_TAKEN = r"(?:is |are )?(?:not |un)(?:supported|enabled|available|allowed|accepted)"
_CHOICE = r"\btool[ _-]?choice\b"
_FORCES = r"\bforc(?:ed?|es|ing)\b.{0,20}\b(?:tools?|functions?)\b(?:[ _-]\w{3,7})?"
NO_FORCED_CALL = (
    rf"\bonly\b.{{0,30}}{_CHOICE}.{{0,20}}\bauto\b(?!.{{0,60}}\brequired\b)"
    rf"|{_CHOICE}.{{0,60}}\b(?:must|should|can|may|only|one of|allowed|supported|valid|expected)\b"
    r"(?: (?:be|values?|is|are|one of|only)){0,3}[^\w]{1,8}(?:auto|none)\b(?!.{0,60}\brequired\b)"
    rf"|\b(?:required|any)\W{{1,3}}(?:is |are )?(?:not|n't) (?:an? )?\w{{4,10}}\b.{{0,20}}{_CHOICE}"
    rf"|\b(?:invalid|unsupported|unknown)\b.{{0,24}}{_CHOICE}\W{{1,6}}(?:value |type )?\W{{0,3}}"
    r"(?:required|any)\b"
    rf"|{_CHOICE}\W{{1,6}}(?:required|any)\W{{1,3}}(?:is |are )?(?:in|un)(?:valid|supported)"
    rf"|{_FORCES}.{{0,30}}(?:\bnot\b|n't\b|incompatible|unsupported|unavailable|disabled)"
    rf"|(?:\bnot\b|n't\b|unsupported|incompatible).{{0,60}}{_FORCES}"
    rf"|{_CHOICE}.{{0,40}}\bincompatible\b"
)
"""Tools may be offered, but no call can be forced."""
_FORMAT = r"\bresponse[ _-]?formats?\b"
NO_RESPONSE_FORMAT = (
    rf"\A(?!(?s:.*)(?:json[ _-]?schema|{_FORMAT}[ .](?:type|object)\b))(?s:.*)"
    rf"(?:{_FORMAT}\W{{0,3}}(?:\w{{1,12}} ){{0,3}}{NOT_TAKEN}"
    r"|(?:not|n't|never) (?:yet |currently )?(?:support|allow|permit|accept|take)\w{0,3}"
    rf" (?:\w{{1,12}} ){{0,3}}\W?{_FORMAT})"
    rf"|{_FORMAT}.{{0,30}}\b(?:must be|only)\b[^a-z]{{0,3}}text\b(?!.{{0,40}}json)"
)
"""The whole field is refused, and not one of its types."""

OFFENCES = (
    r"violen|hate|harass|sexual|self.?harm|illicit|illegal|abus|threat|unsafe|harmful|nsfw|porn"
    r"|extremis|terror|weapon|drug|profan|offensive|jailbreak|injection|flagged"
)
"""What a moderation gives as reasons."""

_MEDIUM = r"(?:images?|image[ _]urls?|pictures?|audio|videos?|files?|media|multi-?modal|non-text)\b"
_NOT_USER = r"\b(?:tool|function|assistant|system|developer)"
_ROLE = rf"{_NOT_USER}(?:['\"\\`]{{0,3}}[ _-](?:messages?|results?|responses?|outputs?|role)\b)"
MEDIA_OF_USERS_ONLY = (
    # OpenAI (OpenHands/OpenHands#7700)
    rf"{_MEDIUM}.{{0,40}} only (?:be )?(?:allowed|supported|permitted|accepted|valid|used)"
    r" (?:for|in|on|with|by|from) .{0,30}\buser\b"
    rf"|\brole\W{{1,4}}{_NOT_USER}\W.{{0,40}}\b(?:contains?|has|have|with) (?:an? )?{_MEDIUM}"
    rf"|{_MEDIUM}(?: \w{{1,12}}){{0,2}} {NOT_TAKEN} (?:in|for|on|with|by|from) .{{0,20}}{_NOT_USER}"
    rf"|{_ROLE}(?: \w{{1,12}}){{0,2}} (?:cannot|can't|can not|(?:must|may|do|does|should) ?n[o']t)"
    rf" (?:\w{{1,12}} ){{1,2}}(?:an? |any )?{_MEDIUM}"
    rf"|{_ROLE}.{{0,30}}\bonly\b.{{0,20}}\b(?:text|strings?)\b"
)
"""A model sees pictures, but takes them of nobody but the user."""


def no_input(noun: str) -> str:
    """How anybody says that a model does not take an input of this kind."""
    return (
        r"(?:not|n't|cannot|unable to) (?:process|accept|take|handle|see|understand)"
        rf" (?:any )?{noun}"
        rf"|\b{noun}\W{{0,3}}(?:(?:input|content|block|part)s? ){{0,2}}{NOT_TAKEN}"
        rf"|\bno {noun} support"
        rf"|(?:unsupported|unknown|invalid) (?:message |input )?(?:content|block|part|input)?[ _]?"
        rf"(?:type|modality)\W{{1,4}}(?:input_)?{noun}"
        rf"|\W(?:input_)?{noun}(?:_url)?\W{{1,2}} is not a"
        rf"|Input tag \W{{0,2}}(?:input_)?{noun}"
    )
