"""The ranking by halving: what it asks, how often, and what comes out."""

from itertools import count
from random import Random

import pytest

from extensions.lora_duel.ranking import Judgement, most, standing


def judged_by(worth: dict[int, int], drawn: list[int]) -> tuple[tuple[tuple[int, ...], ...], int]:
    """Places and number of questions, if the higher worth is always the better one."""
    judged: list[Judgement] = []
    for asked in count():
        now = standing(drawn, judged)
        if now.pair is None:
            return now.places, asked
        assert asked + now.left <= most(0, len(drawn))
        first, second = now.pair
        better = None if worth[first] == worth[second] else max(now.pair, key=lambda number: worth[number])
        judged.append(Judgement(first, second, better))
    raise AssertionError


@pytest.mark.parametrize("seed", range(20))
def test_the_ranking_is_the_order_that_a_person_has_in_mind(seed: int):
    random = Random(seed)
    worth = {number: random.randrange(6) for number in range(random.randrange(2, 12))}
    drawn = random.sample(list(worth), len(worth))
    places, questions = judged_by(worth, drawn)
    assert [sorted(place) for place in places] == [sorted(n for n in worth if worth[n] == value) for value in sorted(set(worth.values()), reverse=True)]
    assert questions <= most(0, len(worth))


def test_seven_pictures_need_at_most_fourteen_questions():
    assert (most(0, 7), most(0, 2), most(0, 1)) == (14, 1, 0)


def test_a_duel_begins_with_two_pictures_and_counts_those_to_come():
    assert standing([3], [], coming=2).pair is None
    now = standing([3, 0], [], coming=1)
    assert (now.pair, now.left) == ((0, 3), 3)


def test_the_last_judgement_taken_back_asks_the_same_again():
    judged = [Judgement(1, 0, 1), Judgement(2, 0, 2), Judgement(2, 1, None)]
    assert standing([0, 1, 2], judged).places == ((1, 2), (0,))
    assert standing([0, 1, 2], judged[:2]).pair == (2, 1)
