"""The arguments of `serve` about the REST API, and what they mean."""

import argparse

from tools.simulator.api.notation import Form, contradiction
from tools.simulator.api.options import DEFAULT_KEY, ApiOptions, Link, Span
from tools.simulator.commands.arguments import add_seconds, add_share, seconds
from tools.simulator.population.newborn import PARTNERS, business_id

MIXED = "mixed"

_API = ApiOptions()
_Group = argparse._ArgumentGroup  # noqa: SLF001 - argparse gives its groups no public name


def add_api(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the REST API, on 127.0.0.1")
    group.add_argument("--api-port", type=_port, metavar="PORT", help="serve it on this port; 0: on a free one")
    group.add_argument("--api-key", default=DEFAULT_KEY, metavar="KEY", help="what x-APIKey must be (%(default)s)")
    group.add_argument("--api-only", action="store_true", help="send no webhooks, only serve the API until Ctrl-C")
    group.add_argument("--stay", action="store_true", help="serve it on when everything is sent, until Ctrl-C")
    group.add_argument(
        "--api-per-minute",
        type=_whole,
        default=_API.per_minute,
        metavar="N",
        help="past so many requests a minute it answers 429; 0: never (default: %(default)d)",
    )
    group.add_argument(
        "--api-retry-after-date", action="store_true", help="429 says when to come back as a date, not in seconds"
    )
    group.add_argument(
        "--api-revoked-after",
        type=seconds,
        metavar="SECONDS",
        help="the key is refused (401) from so many seconds after the start on (default: never)",
    )
    _add_search(parser.add_argument_group("what the REST API shows", "Times are real seconds, whatever the speed."))
    _add_writing(parser.add_argument_group("how the REST API writes it"))
    _add_faults(parser.add_argument_group("faults of the REST API"))


def _add_search(group: _Group) -> None:
    group.add_argument(
        "--deleted-in-search", action="store_true", help="a search without state gives deleted reviews too"
    )
    group.add_argument("--deleted-hidden", action="store_true", help="no search gives deleted ones, even when asked")
    group.add_argument(
        "--api-lag",
        type=_span,
        default=_API.lag,
        metavar="SECONDS",
        help="the search is so far behind the webhooks: 5, or 1-5 for another lag each request (default: 0)",
    )
    add_seconds(group, "--api-listed-after", _API.listed_after, "how long after its creation a review is listed first")
    group.add_argument(
        "--api-businesses",
        type=_businesses,
        metavar="LIST",
        help="what the key sees: numbers of businesses from 0, or their ids (default: all)",
    )
    group.add_argument(
        "--api-disconnected",
        type=_links,
        default=_API.disconnected,
        metavar="LIST",
        help="links to platforms that are gone, with all that came by them: facebook (of every business) or "
        "3/facebook (of one, by number or id) (default: none)",
    )
    add_share(group, "--api-left-out", _API.left_out, "reviews that no search gives")


def _add_writing(group: _Group) -> None:
    group.add_argument(
        "--api-notation",
        type=_forms,
        default=_API.notation,
        metavar="LIST",
        help=f"forms unlike those of the webhook: some of {','.join(Form)}, at most one zone, one precision and one "
        f"form of nothing; or {MIXED}: each request draws its own (default: as the webhook)",
    )
    group.add_argument(
        "--api-omits",
        type=_names,
        default=(),
        metavar="FIELDS",
        help="fields that the API never writes, such as key,link (default: none)",
    )
    group.add_argument(
        "--api-adds", type=_names, default=(), metavar="FIELDS", help="fields that only the API writes (default: none)"
    )
    group.add_argument(
        "--api-media-on-request",
        action="store_true",
        help="media_links is empty unless a request says with_media_links=true",
    )


def _add_faults(group: _Group) -> None:
    add_share(group, "--api-429", _API.too_many, "requests answered 429 out of the blue")
    add_share(group, "--api-500", _API.failing, "requests answered 500, 502, 503 or 504")
    add_share(group, "--api-hanging", _API.hanging, "requests that wait a minute for their answer")
    add_share(group, "--api-cut", _API.cut, "requests whose connection is closed in place of an answer")
    add_share(group, "--api-html", _API.html, "requests that get a page for people, with status 200 or 502")
    add_share(group, "--api-truncated", _API.truncated, "pages that are cut off or hold fewer reviews than they say")
    add_share(
        group, "--api-unreadable", _API.unreadable, "pages with an item that is null, has a bad id, or NaN as rating"
    )


def api_options(args: argparse.Namespace) -> ApiOptions:
    mixed = args.api_notation == MIXED
    return ApiOptions(
        key=args.api_key,
        deleted_in_search=args.deleted_in_search,
        deleted_findable=not args.deleted_hidden,
        per_minute=args.api_per_minute,
        retry_after_date=args.api_retry_after_date,
        revoked_after=args.api_revoked_after,
        lag=args.api_lag,
        listed_after=args.api_listed_after,
        businesses=args.api_businesses,
        disconnected=args.api_disconnected,
        left_out=args.api_left_out,
        notation=frozenset() if mixed else args.api_notation,
        mixed_notation=mixed,
        omitted_fields=frozenset(args.api_omits),
        added_fields=args.api_adds,
        media_on_request=args.api_media_on_request,
        too_many=args.api_429,
        failing=args.api_500,
        hanging=args.api_hanging,
        cut=args.api_cut,
        html=args.api_html,
        truncated=args.api_truncated,
        unreadable=args.api_unreadable,
        seed=args.seed,
    )


def _span(text: str) -> Span:
    shortest, _, longest = text.partition("-")
    try:
        span = Span(seconds(shortest), seconds(longest or shortest))
    except argparse.ArgumentTypeError:
        span = Span(1.0, 0.0)
    if span.shortest > span.longest:
        raise argparse.ArgumentTypeError(f'"{text}" is neither a number of seconds nor two, as 1-5')
    return span


def _forms(text: str) -> frozenset[Form] | str:
    if text == MIXED:
        return MIXED
    try:
        forms = frozenset(Form(name) for name in _listed(text))
    except ValueError:
        problem = f'"{text}" lists neither some of {",".join(Form)} nor is it {MIXED}'
        raise argparse.ArgumentTypeError(problem) from None
    both = contradiction(forms)
    if both is not None:
        raise argparse.ArgumentTypeError(f'"{text}": {both} cannot hold at once')
    return forms


def _businesses(text: str) -> frozenset[str]:
    return frozenset(_business(name) for name in _names(text))


def _links(text: str) -> frozenset[Link]:
    return frozenset(_link(name) for name in _names(text))


def _link(text: str) -> Link:
    business, _, partner = text.rpartition("/")
    if partner not in PARTNERS or (not business and "/" in text):
        problem = f'"{text}" is no link: write one of {", ".join(PARTNERS)}, or as 3/facebook'
        raise argparse.ArgumentTypeError(problem)
    return Link(partner, _business(business) if business else None)


def _business(text: str) -> str:
    """Read a business: a short number counts them from 0, anything else is an id."""
    return business_id(int(text)) if text.isascii() and text.isdigit() and len(text) < len(business_id(0)) else text


def _names(text: str) -> tuple[str, ...]:
    try:
        return tuple(_listed(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is not a list of names with commas between them') from None


def _listed(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError(text)
    return names


def _port(text: str) -> int:
    port = _whole(text)
    if port > 65_535:  # noqa: PLR2004 - the last port there is
        raise argparse.ArgumentTypeError(f'"{text}" is not a port, from 0 to 65535')
    return port


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number, 0 or more')
    return int(text)
