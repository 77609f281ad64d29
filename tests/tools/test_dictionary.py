import random

from mirror.storage.frames import DICTIONARIES, DICTIONARY, compress
from tools.bench.requests import make_body
from tools.dictionary.__main__ import read_sentences
from tools.dictionary.reviews import WEIGHTS, make_review
from tools.dictionary.training import train


def test_each_language_of_the_customers_has_sentences() -> None:
    sentences = read_sentences()
    assert set(sentences) == {"fr", "es", "it", "de", "en", "pt", "nl"} == set(WEIGHTS)
    assert all(len(opinions) > 10 and len(answers) > 5 for opinions, answers in sentences.values())


def test_the_tool_makes_a_dictionary_that_tells_its_number() -> None:
    made = train(read_sentences(), 7)
    assert made[:8] == b"\x37\xa4\x30\xec\x07\x00\x00\x00"


def test_the_shipped_dictionary_holds_what_was_made_up_and_its_number() -> None:
    shipped = (DICTIONARIES / f"{DICTIONARY}.zstd-dict").read_bytes()
    assert shipped[4:8] == DICTIONARY.to_bytes(4, "little")
    for opinions, answers in read_sentences().values():
        assert all(text.encode() in shipped for text in (*opinions, *answers))


def test_texts_that_it_has_never_seen_still_come_out_at_less_than_two_fifths() -> None:
    bodies = [make_body(number) for number in range(200)]
    assert sum(len(compress(body)) for body in bodies) < 0.4 * sum(map(len, bodies))


def test_a_made_up_review_is_the_same_each_time() -> None:
    dice = (random.Random(5), random.Random(5))  # noqa: S311 - made-up reviews
    first, second = (make_review(one, read_sentences()) for one in dice)
    assert first == second
