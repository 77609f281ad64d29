"""The arguments of `serve` about the population, the wire and time, and what they mean."""

import argparse
from dataclasses import fields, replace

from tools.simulator.commands.arguments import add_count, add_number, add_seconds, add_share, seconds
from tools.simulator.planning.wire import PRESETS, Wire
from tools.simulator.population.options import Moving, Population

DEFAULT_WIRE = "clean"
_POPULATION = Population()


def add_population(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the population")
    add_count(group, "--reviews", _POPULATION.reviews, "how many reviews there are in the end")
    add_count(group, "--businesses", _POPULATION.businesses, "how many businesses they belong to")
    add_number(group, "--days", _POPULATION.days, "DAYS", "how long their life is, in simulated days")
    group.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed, the same run (default: 1)")
    add_number(group, "--changes-per-day", _POPULATION.changes_per_day, "RATE", "edits, tags, replies … of a review")
    add_number(group, "--absences-per-day", _POPULATION.absences_per_day, "RATE", "how often one review vanishes")
    add_number(
        group, "--business-absences-per-day", _POPULATION.business_absences_per_day, "RATE", "how often a business does"
    )
    add_share(group, "--returning", _POPULATION.returning, "the share of deletions after which the review comes back")
    add_share(group, "--flapping", _POPULATION.flapping, "the share of absences that last seconds to minutes only")
    group.add_argument(
        "--moves-update-date",
        type=_moving,
        default=frozenset(),
        metavar="LIST",
        help=f"what moves update_date beside edits: some of {','.join(Moving)} (default: nothing)",
    )
    group.add_argument("--no-delete-date", action="store_true", help="deletions carry no delete_date")
    add_share(group, "--photos", _POPULATION.photos, "reviews with photos, in media_links")


def add_wire(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the wire", "Each option overrides what the named set of faults says.")
    group.add_argument(
        "--wire",
        choices=PRESETS,
        default=DEFAULT_WIRE,
        help="clean: everything once and in order. faulty: 2 %% duplicates, 3 %% late retries. "
        "bad-day: 10 %% and 20 %%. hostile: bad-day and everything below (default: %(default)s)",
    )
    add_share(group, "--duplicates", None, "events sent again because their acknowledgement got lost")
    add_share(group, "--late", None, "events whose first attempts fail; a retry may arrive after newer events")
    group.add_argument(
        "--backoff",
        type=seconds,
        metavar="SECONDS",
        help="simulated seconds until the first of these retries; each further one takes twice as long (4)",
    )
    add_share(group, "--lost", None, "events that never arrive (in no named set)")
    add_share(group, "--reordered", None, "events on their way for up to half a minute")
    add_share(group, "--tryouts", None, "try-outs, for each event")
    add_share(group, "--other-events", None, "events of other types, for each event")
    add_share(group, "--unknown-fields", None, "reviews with fields that nobody documented, inside and around them")
    add_count(group, "--concurrency", None, "deliveries under way at once (1; hostile: 16)")
    group.add_argument(
        "--side-by-side",
        action=argparse.BooleanOptionalAction,
        help="also those of one review; otherwise each ends before the next one leaves (hostile: side by side)",
    )


def add_times(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("time")
    add_number(group, "--speed", 0.0, "FACTOR", "simulated seconds a second; 0: as fast as acknowledged")
    add_seconds(group, "--retry-base", 1.0, "the first wait before a 5xx is sent again; each further is twice as long")
    add_seconds(group, "--timeout", 10.0, "how long an answer may take; 0: without limit")


def population(args: argparse.Namespace) -> Population:
    return Population(
        reviews=args.reviews,
        businesses=args.businesses,
        days=args.days,
        changes_per_day=args.changes_per_day,
        absences_per_day=args.absences_per_day,
        business_absences_per_day=args.business_absences_per_day,
        returning=args.returning,
        flapping=args.flapping,
        unknown_fields=wire(args).unknown_fields,
        moves_update_date=args.moves_update_date,
        delete_date=not args.no_delete_date,
        photos=args.photos,
    )


def wire(args: argparse.Namespace) -> Wire:
    given = {field.name: getattr(args, field.name, None) for field in fields(Wire)}
    return replace(PRESETS[args.wire], **{name: value for name, value in given.items() if value is not None})


def _moving(text: str) -> frozenset[Moving]:
    try:
        return frozenset(Moving(name) for name in text.split(",") if name)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" does not list some of {",".join(Moving)}') from None
