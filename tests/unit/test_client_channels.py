"""The follower of a channel: exactly once and in order, whatever the wire does."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from chairside.client.channels import ChannelAnswer, Follower, HubEvent, Position

CHANNEL = "appointments:dentist:d1"
EPOCH = 3


def event(offset: int | None, epoch: int | None = EPOCH) -> HubEvent:
    return HubEvent(
        id=f"e{offset}",
        type="appointment.created",
        channel=CHANNEL,
        offset=offset,
        epoch=epoch,
        time="2027-03-08T09:00:00Z",
        data={},
    )


def position(offset: int, epoch: int = EPOCH) -> Position:
    return Position(epoch=epoch, offset=offset)


def answer(
    offsets: Sequence[int], head: int, *, more: bool = False, recovered: bool = True
) -> ChannelAnswer:
    return ChannelAnswer(
        recovered=recovered, events=tuple(map(event, offsets)), more=more, position=position(head)
    )


def offsets(events: Sequence[HubEvent]) -> list[int | None]:
    return [each.offset for each in events]


def test_the_next_event_is_delivered() -> None:
    follower = Follower(CHANNEL, position(4))
    assert offsets(follower.live(event(5)).deliver) == [5]
    assert follower.position == position(5)


def test_a_known_event_is_dropped_and_counted() -> None:
    follower = Follower(CHANNEL, position(4))
    assert follower.live(event(4)).deliver == ()
    assert follower.duplicates == 1


def test_a_gap_asks_once_and_the_answer_closes_it() -> None:
    follower = Follower(CHANNEL, position(4))
    assert follower.live(event(6)).ask
    assert not follower.live(event(7)).ask, "one question at a time"
    step = follower.answered(answer([5, 6, 7], 7))
    assert offsets(step.deliver) == [5, 6, 7]
    assert not step.ask
    assert follower.gaps == 1


def test_a_position_ahead_asks_and_one_that_is_known_does_not() -> None:
    follower = Follower(CHANNEL, position(4))
    assert not follower.hub_is_at(position(4)).ask
    assert follower.hub_is_at(position(5)).ask


def test_a_lost_answer_makes_room_for_the_next_question() -> None:
    follower = Follower(CHANNEL, position(4))
    assert follower.live(event(6)).ask
    follower.unanswered()
    assert follower.live(event(7)).ask


def test_pages_are_asked_for_until_the_last() -> None:
    follower = Follower(CHANNEL, position(0))
    first = follower.answered(answer([1, 2], 9, more=True))
    assert (offsets(first.deliver), first.ask) == ([1, 2], True)
    last = follower.answered(answer([3, 4], 4))
    assert (offsets(last.deliver), last.ask) == ([3, 4], False)


def test_an_answer_with_a_hole_delivers_up_to_it_and_asks_again() -> None:
    follower = Follower(CHANNEL, position(0))
    step = follower.answered(answer([1, 3], 3))
    assert (offsets(step.deliver), step.ask) == ([1], True)


def test_an_answer_that_ends_before_its_own_position_is_asked_for_again() -> None:
    follower = Follower(CHANNEL, position(0))
    assert follower.answered(answer([1], 2)).ask


def test_history_that_does_not_reach_back_means_refetch_from_the_new_position() -> None:
    follower = Follower(CHANNEL, position(4))
    step = follower.answered(answer([], 900, recovered=False))
    assert (step.refetch, step.ask) == (True, False)
    assert offsets(follower.live(event(901)).deliver) == [901]


def test_an_event_of_another_epoch_is_never_delivered_but_asked_about() -> None:
    follower = Follower(CHANNEL, position(4))
    step = follower.live(event(5, epoch=EPOCH + 1))
    assert (step.deliver, step.ask) == ((), True)


def test_ephemeral_events_pass_and_move_nothing() -> None:
    follower = Follower("hub:status", position(4))
    assert offsets(follower.live(event(None, None)).deliver) == [None]
    assert follower.position == position(4)


FAULTS = st.lists(
    st.sampled_from(["deliver", "lose", "repeat", "position", "cut"]), min_size=1, max_size=60
)


@given(faults=FAULTS, page=st.integers(1, 4))
def test_whatever_is_lost_repeated_or_cut_the_follower_ends_with_the_committed_sequence(
    faults: list[str], page: int
) -> None:
    """A perfect hub behind a bad wire: one commit per fault, then one that arrives."""
    follower, got, head = Follower(CHANNEL, position(0)), list[int | None](), 0

    def ask() -> None:
        """What a join does: page by page, until nothing is missing."""
        again = True
        while again:
            follower.asked()
            assert follower.position is not None
            at = follower.position.offset
            upto = min(head, at + page)
            step = follower.answered(answer(range(at + 1, upto + 1), upto, more=upto < head))
            got.extend(offsets(step.deliver))
            again = step.ask

    for fault in [*faults, "deliver"]:
        head += 1
        if fault == "lose":
            continue
        if fault == "cut":
            follower.unanswered()
            ask()
            continue
        steps = [
            follower.hub_is_at(position(head))
            if fault == "position"
            else follower.live(event(head))
        ]
        if fault == "repeat":
            steps.append(follower.live(event(head)))
        for step in steps:
            got.extend(offsets(step.deliver))
        if any(step.ask for step in steps):
            ask()

    assert got == list(range(1, head + 1))
