"""`remedy`: what to do about a failure, in words that name the provider and its key's variable."""

from __future__ import annotations

from ..catalogue.providers import Account
from .fault import Cause

_REMEDIES: dict[Cause, str] = {
    Cause.KEY_REFUSED: "check {key}: it is missing, mistyped, expired or revoked{signup}",
    Cause.ACCOUNT_FORBIDDEN: "check what {key} may do: {provider} forbids it every model{signup}",
    Cause.ACCOUNT_REFUSED: "{provider} refuses several models alike: look at the account and"
    " base_url{signup}",
    Cause.ACCOUNT_DISTURBED: "{provider} answered lately and now refuses everything alike, which"
    " is probably its own passing trouble; if it lasts, check {key}, or add a provider",
    Cause.LOCATION: "{provider} serves no requests from this country",
    Cause.ANONYMOUS_LIMIT: "{provider} answers so many requests without a key: wait,"
    " or get one{signup}",
    Cause.ACCOUNT_DAY: "the day's free requests of {provider} are spent; they return at the stated"
    " reset, usually midnight UTC",
    Cause.ACCOUNT_MONTH: "the month's free allowance of {provider} is spent;"
    " it returns on the first",
    Cause.ACCOUNT_WEEK: "the week's free allowance of {provider} is spent",
    Cause.ACCOUNT_WINDOW: "the free allowance of {provider} is spent for some hours",
    Cause.ACCOUNT_SPENT: "{provider} has refused every request for a while:"
    " an allowance seems to be spent",
    Cause.ACCOUNT_BUDGET: "the budget that is set for the key or project at {provider} is spent",
    Cause.DEBT: "the account at {provider} owes, or has no credit;"
    " a negative balance blocks free models too{page}",
    Cause.NO_PLAN: "the account at {provider} has no plan that includes this{signup}",
    Cause.ACCOUNT_DOWN: "{provider} fails alike for every model: it is down, or tells a refusal so",
    Cause.UNREACHABLE: "{address} cannot be reached: check the network, a proxy, or base_url",
    Cause.GATEWAY_FORBIDS: "a gateway before {provider} turns requests from here away: look at this"
    " machine's address, a VPN or a proxy, and at {address}; or ask again later",
    Cause.REDIRECTED: "{address} redirects; keys never follow a redirect, so set the final address",
    Cause.DATA_POLICY: "the privacy settings of {provider} decide which endpoints {key} may"
    " use{page}",
    Cause.NO_PROVIDER: "the privacy settings of {provider} decide which endpoints {key} may"
    " use{page}",
    Cause.MAX_TOKENS_402: "lower max_tokens",
    Cause.OUTPUT_TOO_LARGE: "lower max_tokens: that many tokens of output are more than"
    " {provider} allows",
    Cause.BAD_PART: "look at the pictures, files and tools of the request: models that take such"
    " refused these",
    Cause.TOO_LARGE: "shorten the prompt or lower max_tokens: together they are more than"
    " {provider} allows",
    Cause.TOKEN_LIMIT: "raise max_tokens",
    Cause.FORBIDDEN: "check what {key} may do at {provider}{signup}",
}


def remedy(cause: Cause, account: Account) -> str:
    """What the owner of the account can do; empty: nothing is known."""
    words = _REMEDIES.get(cause, "")
    page = dict(account.pages).get(cause.value, account.signup)
    return words.format(
        provider=account.provider,
        key=" or ".join(account.keys) or f"the api_key of {account.provider}",
        address=account.address,
        signup=f"; see {account.signup}" if account.signup else "",
        page=f"; see {page}" if page else "",
    )
